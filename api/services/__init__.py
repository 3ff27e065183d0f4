"""The catalogue of services, read only."""
