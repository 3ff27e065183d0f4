"""What the policy decides for a client and a name, and why. Past decisions are in `trace`."""
