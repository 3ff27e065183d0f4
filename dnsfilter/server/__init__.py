"""Client connections over streams."""
