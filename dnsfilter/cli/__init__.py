"""The dnsfilter command: one file per command. What a command does on a node stands in the rooms below."""
