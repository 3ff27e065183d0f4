"""dnsfilterctl: what the API does, from a shell. A client of the API: it shares no database and no model with it."""
