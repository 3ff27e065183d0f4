"""One machine: sockets, the supervisor and its workers."""
