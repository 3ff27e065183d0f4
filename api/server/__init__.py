"""The process as clients meet it: listening, TLS, limits of bodies and connections, access log, health, metrics."""
