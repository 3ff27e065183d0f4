"""The API's certificate and key: check, load and reload them. `api.server` listens with them."""
