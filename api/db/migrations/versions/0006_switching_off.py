"""Bans that are off until an instant; requirements of authorities for that; requests that need a second person."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A ban that is already off has no mode to return to.
    op.add_column("bans", sa.Column("mode_set_by", sa.BigInteger(), nullable=True))
    op.add_column("bans", sa.Column("off_until_s", sa.BigInteger(), nullable=True))
    op.add_column("bans", sa.Column("returns_to", sa.String(length=16), nullable=True))
    for name in ("off_needs_reason", "off_needs_approver"):
        op.add_column("authorities", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "requests",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ban", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("until_s", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("was", sa.String(length=16), nullable=False),
        sa.Column("was_set_s", sa.BigInteger(), nullable=True),
        sa.Column("requested_s", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("approved_s", sa.BigInteger(), nullable=True),
        sa.Column("rejected_s", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_s", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ban"], ["bans.number"], name=op.f("fk_requests_ban_bans")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_requests")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_requests_ban"), "requests", ["ban"], unique=False)
