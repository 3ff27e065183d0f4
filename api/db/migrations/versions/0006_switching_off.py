"""Bans that are off until an instant."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A ban that is off already has no mode that could return.
    op.add_column("bans", sa.Column("mode_set_by", sa.BigInteger(), nullable=True))
    op.add_column("bans", sa.Column("off_until_s", sa.BigInteger(), nullable=True))
    op.add_column("bans", sa.Column("returns_to", sa.String(length=16), nullable=True))
