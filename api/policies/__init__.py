"""The complete policy as a file: export, compare, apply."""
