"""Usage: counts that nodes report, kept per authority and day, and per range and hour. No addresses of clients."""
