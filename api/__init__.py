"""The control plane: API, database, publishing."""
