"""The console: pages for operators and auditors. One file per page, and `frame/` for what all pages share.

A page has no rule of its own. It calls operations of the API with the session's token, as any client does with its own.
"""
