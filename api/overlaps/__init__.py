"""Overlaps of registered ranges and gaps in allotted space. Read only."""
