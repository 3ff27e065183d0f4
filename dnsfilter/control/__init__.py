"""A node's link to its control plane: enrolment, pulling snapshots, reporting. The node answers without it."""
