"""What an authority publishes, and which other installations it watches: registers and their checkpoints."""
