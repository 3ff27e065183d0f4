"""Real programs, free ports and zones for tests."""
