"""Code that all routes share: dependencies, permits, problems, pagination, entity tags, schemas. No domain rules."""
