"""Events for other systems: acts and notices as JSON, to webhooks, syslog and a file. The audit log stays in `audit/`.

What is sent is read from the tables of acts and notices, so a receiver that was away gets what it missed.
"""
