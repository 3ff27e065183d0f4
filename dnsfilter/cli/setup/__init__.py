"""`dnsfilter setup`: from an installed program to one that answers. Each file and each step has a module."""
