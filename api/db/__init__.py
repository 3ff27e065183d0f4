"""The database: models, sessions, the unit of work, versions, migrations, checks. No rules of a domain."""
