"""A worker process: its start settings, and its messages with the supervisor. Its engine is in `dnsfilter.engine`."""
