"""Space: the prefixes in which an authority registers its own ranges."""
