"""The checks, one per file: a function that takes the `Subject` and returns an `Outcome`. None changes anything."""
