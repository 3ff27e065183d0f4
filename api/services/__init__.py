"""Services: the catalogue, which is read only here, and those that authorities define.

Not here: which services a revision has (`api.publish.services_in_force`).
"""
