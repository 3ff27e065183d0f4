"""Metrics of the control plane: their table, their collectors and their server. No rule about the policy."""
