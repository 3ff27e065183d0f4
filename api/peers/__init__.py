"""Other installations whose checkpoints this one holds: fetching, and checking that each continues the others.

Own checkpoints are in `api.audit`; what can be checked is in `api.chain.continuity`.
"""
