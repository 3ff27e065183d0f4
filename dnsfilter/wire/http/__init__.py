"""HTTP/2 without I/O, and DNS over HTTPS. Connections, TLS and limits of clients are in `dnsfilter/server/`."""
