"""Code that both engines share in Python: odd queries, policy, failures, and questions to upstreams."""
