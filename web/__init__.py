"""What people look at: Flask pages, health and metrics. Commits and notifies, never publishes."""
