"""What every page shares: its route, the visit, calls of operations, forms, templates and static files."""
