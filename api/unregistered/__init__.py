"""Networks in no range that sent queries, as nodes reported them: in memory only."""
