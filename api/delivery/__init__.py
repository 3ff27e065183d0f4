"""Reach others from this machine: mail, syslog, files, connections. Other packages decide what is sent or fetched."""
