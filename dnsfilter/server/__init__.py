"""Client connections that are streams."""
