"""Batches of usage may be stored in parts: how many counts of a node's last batch are stored so far."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage_streams", sa.Column("items", sa.BigInteger(), nullable=False, server_default="0"))
