"""The `dnsfilter` command: one file per command. The packages below carry the commands out."""
