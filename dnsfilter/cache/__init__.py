"""Cache of upstreams' answers and failures: keys, and bounded stores whose entries age."""
