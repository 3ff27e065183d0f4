"""The HTTP server: listening, limits on bodies, requests and connections, access log, health, metrics."""
