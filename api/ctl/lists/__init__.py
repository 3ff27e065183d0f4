"""Commands on prohibited lists and their links."""
