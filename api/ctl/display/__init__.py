"""Format answers for people: columns, times, names, progress. Accounts and names look themselves up in the API."""
