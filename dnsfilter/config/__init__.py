"""What the administrator writes, checked and made ready for use."""
