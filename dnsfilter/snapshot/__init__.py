"""A policy compiled for the resolver: format, compiler, reader, store."""
