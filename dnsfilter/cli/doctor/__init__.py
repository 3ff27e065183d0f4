"""`dnsfilter doctor`: look for what keeps a node from its work. `table.py` lists the checks; none changes anything."""
