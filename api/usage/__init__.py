"""Usage: counts that nodes report, per authority and day, and per range and hour; which ranges still ask.

No addresses of clients.
"""
