"""Many ranges at once from a CSV table, all or none. Single ranges stand in ranges."""
