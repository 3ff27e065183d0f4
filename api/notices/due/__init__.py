"""Find the notices that are due at an instant: one file per topic. Their texts live in `notices`."""
