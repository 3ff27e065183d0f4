"""What a policy says of a client and a name, and why. The path from a past answer to its decision stands in trace."""
