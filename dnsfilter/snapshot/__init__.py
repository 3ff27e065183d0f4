"""Policies compiled for the resolver: format, compiler, reader and store."""
