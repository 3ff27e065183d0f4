"""Events that a receiver rejected: how many, and the last one."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event_cursors", sa.Column("parked", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("event_cursors", sa.Column("parked_last", sa.JSON(), nullable=False, server_default="{}"))
