"""Fleets: ranges of devices outside the office, and the names by which they ask.

Prefixes and tokens are in `dnsfilter.policy.fleets`. Changes of label, funding and audience are acts on ranges.
"""
