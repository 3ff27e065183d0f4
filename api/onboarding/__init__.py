"""What a public body still needs before it is served."""
