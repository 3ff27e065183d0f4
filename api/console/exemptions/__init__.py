"""Exemptions in the console: the list, one exemption with its week and its acts, and the form that asks for one."""
