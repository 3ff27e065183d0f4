"""Local suspensions, from the last reports of nodes. Suspensions made through the API live in `suspensions`."""
