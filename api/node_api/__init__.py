"""What a node itself asks with its own token: enrolment, snapshots, reports. What people do with nodes: nodes."""
