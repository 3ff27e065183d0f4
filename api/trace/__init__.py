"""From a refusal back to the decision behind it, for any past instant."""
