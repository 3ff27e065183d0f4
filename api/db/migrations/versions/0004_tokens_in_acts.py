"""The token of an act, in the audit log. Older entries have none. The hash of an entry covers its token, if any."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("token", sa.BigInteger(), nullable=True))
