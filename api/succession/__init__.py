"""The end of an authority: closed on a date, or merged into another."""
