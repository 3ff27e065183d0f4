"""Captures: nodes record the queries of one range for a fault, for an hour at most. The files never leave the nodes."""
