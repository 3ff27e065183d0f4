"""The OpenAPI description, the page that shows it, and the page of permissions."""
