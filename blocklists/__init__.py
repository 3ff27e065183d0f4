"""The catalogue, which maps names to services, and the guard: names that no rule may hit."""
