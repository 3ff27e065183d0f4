"""Import of many ranges from a table, all or none. Acts on single ranges are in `ranges`."""
