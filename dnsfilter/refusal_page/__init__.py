"""The page that clients see if a ban replies with an address: a small HTTP server, in a process of its own.

It decides as the resolver does, by the node's snapshot, and logs nothing about requests.
"""
