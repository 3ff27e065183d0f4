"""Health, version, description, metrics, access log."""
