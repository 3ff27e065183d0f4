"""`dnsfilter doctor`: look for what keeps a node from its work. Each check is a file; `table.py` lists them."""
