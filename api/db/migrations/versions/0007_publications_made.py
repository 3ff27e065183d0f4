"""Publications store the second for which they were compiled.

Earlier ones have none: finding it would need compiling each of them again, which takes seconds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("made_s", sa.BigInteger(), nullable=True))
