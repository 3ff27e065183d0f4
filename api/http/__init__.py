"""What every route shares: dependencies, permits, problems, pagination, entity tags, schemas. No domain's rules."""
