"""What a node reports of itself at a scrape: its upstreams, sockets, processes and disk. It decides nothing."""
