"""The catalogue, read only."""
