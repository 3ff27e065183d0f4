"""Rules of a firewall that follow the bans: which networks may query only this resolver, until when, in which syntax.

The node itself filters no packets: a process of its own keeps the rules in step.
"""
