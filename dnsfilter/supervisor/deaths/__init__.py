"""Deaths of workers: why they die, and what the node does then."""
