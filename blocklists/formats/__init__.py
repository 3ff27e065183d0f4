"""Formats of lists of names: each a reader from lines to items and a writer, without files, clock or network."""
