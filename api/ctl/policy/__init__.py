"""Commands on authorities, bans and everything else that changes the policy, one file per noun."""
