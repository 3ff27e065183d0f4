"""Names to services: the catalogue, and names that no rule may hit."""
