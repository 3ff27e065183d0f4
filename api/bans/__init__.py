"""Bans: their terms, their mode, and their state; in `requests`, acts that wait for a second person.

What binds other authorities to bans lives in `bindings`.
"""
