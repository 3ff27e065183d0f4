"""Pages of reports and studies, and pictures of what was refused and which networks ask."""
