"""Pages about people: accounts and roles, one account, and one's own sessions, tokens and passkeys."""
