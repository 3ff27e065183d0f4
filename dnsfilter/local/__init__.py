"""Acts on a node itself, without a control plane: local suspensions, older snapshots, and their journal."""
