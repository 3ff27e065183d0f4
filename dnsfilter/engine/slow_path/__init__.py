"""What both engines do in Python: odd queries, policy, failures, and the course of questions to upstreams."""
