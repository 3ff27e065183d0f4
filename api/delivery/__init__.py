"""Take notices and checkpoints out of this machine: mail, syslog, files. What is sent is decided elsewhere."""
