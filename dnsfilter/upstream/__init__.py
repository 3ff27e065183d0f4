"""Ask upstream servers: which one, when, how often, and for which zone."""
