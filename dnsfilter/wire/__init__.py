"""DNS messages in wire format: queries, answers, replies, names and record data."""
