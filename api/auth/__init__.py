"""Authentication of callers (tokens), and their permissions (roles, permits). No routes."""
