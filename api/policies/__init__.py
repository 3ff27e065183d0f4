"""The whole policy as a file: export, difference, apply."""
