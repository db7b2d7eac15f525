"""What Prometheus, Alertmanager and Grafana are given: rules, configurations and dashboards, made by code."""
