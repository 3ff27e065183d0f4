"""What needs a person now: what ends, waits or is behind. Rules of what is due for mail live in `api.notices`."""
