"""Client of the API: connection, token, and answers read with the API's own schemas."""
