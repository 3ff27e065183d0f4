"""Commands on ranges, space and nodes, one file per noun."""
