"""How registered ranges and allotted space lie in each other. Reads only."""
