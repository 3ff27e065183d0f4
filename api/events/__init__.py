"""Events for other systems: acts, notices and daily totals as JSON, to webhooks, syslog and a file.

The audit log stays in `audit/`. What is sent is read from the tables of acts, notices and usage, so a receiver that was
away gets what it missed.
"""
