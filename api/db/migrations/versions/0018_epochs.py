"""Epochs: nodes follow a restored control plane whose revision is lower than theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"))
