"""What is done on a node itself without a control plane: suspensions, older snapshots, and their journal."""
