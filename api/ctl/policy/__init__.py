"""Commands on authorities, bans and all that changes or explains the policy, one file per noun."""
