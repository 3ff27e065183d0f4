"""Pages of networks: ranges with what asks in them, unregistered networks, registration, and import of a table."""
