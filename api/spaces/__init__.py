"""Space: the prefixes inside which an authority registers its ranges by itself."""
