"""The API as commands ask it: connection, token, answers read with the API's own schemas."""
