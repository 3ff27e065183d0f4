"""Suspensions made on nodes themselves, as they reported them last. Those made through the API stand in suspensions."""
