"""Single names: an authority refuses or allows one name by itself, and sees and removes those.

A refused name is a ban, which `bans` toggles, reports and ends like any other. What a name frees or refuses is decided
by `dnsfilter.policy`.
"""
