"""A worker process: what it is started with, what passes between it and the supervisor. Its engine stands in engine."""
