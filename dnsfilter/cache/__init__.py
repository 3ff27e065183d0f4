"""What upstreams said: keys, and a bounded store of answers that age."""
