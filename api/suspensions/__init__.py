"""The emergency switch: nothing is refused for some minutes."""
