"""The process that holds sockets and snapshot, keeps workers serving, reloads and upgrades."""
