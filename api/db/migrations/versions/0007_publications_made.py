"""Publications keep the second at which they were made.

Earlier ones have none: only compiling all of them again would find it, which takes seconds for each.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("made_s", sa.BigInteger(), nullable=True))
