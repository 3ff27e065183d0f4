"""The process that holds sockets and the snapshot, keeps workers serving, reloads and upgrades."""
