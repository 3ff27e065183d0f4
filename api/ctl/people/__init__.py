"""Commands on accounts, their roles and tokens, one file per noun."""
