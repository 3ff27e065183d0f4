"""Feeds: a source on the web, or a file of this machine, from which the names of one own service come."""
