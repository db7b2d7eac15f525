"""Traces by OpenTelemetry: the way of each file to its end, sent to a collector; optional, and never in the way."""
