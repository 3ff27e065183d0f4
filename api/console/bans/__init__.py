"""Bans: the list, a ban with its switch, its terms, and the names behind it. Adopting one is not here."""
