"""Coverage: does each range still ask? Totals per range and hour from reports of nodes. No addresses of clients."""
