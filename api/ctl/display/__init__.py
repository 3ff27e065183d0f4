"""What people see of answers: columns, times, names, progress. Nothing here asks the API."""
