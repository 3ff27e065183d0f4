"""Sign in with the identity provider of an organisation, by OpenID Connect.

Claims name an account that exists. Roles and accounts are acts of the audit log, never of a claim.
"""
