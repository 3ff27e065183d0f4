"""Who is calling (tokens), and what the caller may do (roles, permits). No routes."""
