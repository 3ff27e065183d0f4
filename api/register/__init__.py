"""The public register: bans in force of the authorities that publish them, readable without an account.

It holds no account, client, range or reason. Its pages are in `api/console`.
"""
