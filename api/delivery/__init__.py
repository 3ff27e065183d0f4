"""Send notices and checkpoints out of this machine: mail, syslog, files. Other packages decide what is sent."""
