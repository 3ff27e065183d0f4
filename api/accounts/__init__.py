"""Who may act: accounts, their roles, their tokens."""
