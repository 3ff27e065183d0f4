"""Routes for nodes with their own tokens: enrolment, snapshots, reports. Routes for accounts live in `nodes`."""
