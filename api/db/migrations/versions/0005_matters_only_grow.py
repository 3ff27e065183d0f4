"""The audit log's index by authority refuses changes, like the audit log, and gets an index by entry."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NO_CHANGE_SQLITE = """
CREATE TRIGGER matters_{verb} BEFORE {verb} ON matters
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
_NO_CHANGE_POSTGRESQL = """
CREATE TRIGGER matters_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON matters
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
"""


def upgrade() -> None:
    op.create_index(op.f("ix_matters_seq"), "matters", ["seq"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_NO_CHANGE_SQLITE.format(verb=verb))
    else:
        op.execute(_NO_CHANGE_POSTGRESQL)
