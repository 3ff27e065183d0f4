"""Which notices the state of the database asks for at an instant: one file per topic. Their words stand in notices."""
