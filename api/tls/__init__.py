"""The API's certificate and key: checked, loaded, and loaded again when they change. Who listens with them: server."""
