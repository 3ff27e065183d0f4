"""The usage level `client`: until when and why an authority has it, and refused queries under pseudonyms.

Also an index for usage by range.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BY_RANGE = ["authority", "site", "prefix", "service", "ban_authority", "ground", "result", "hour_s", "queries"]
"""The sums of a range are in the order of this index, which has all columns that they need."""
_TEXTS = ("service", 63), ("ban_authority", 63), ("ground", 16), ("client", 16)


def upgrade() -> None:
    op.add_column("authorities", sa.Column("client_since_s", sa.BigInteger(), nullable=True))
    op.add_column("authorities", sa.Column("client_until_s", sa.BigInteger(), nullable=True))
    op.add_column("authorities", sa.Column("client_basis", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "usage_clients",
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("minute_s", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(length=length), nullable=False) for name, length in _TEXTS),
        sa.Column("queries", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authority"], ["authorities.slug"], name=op.f("fk_usage_clients_authority_authorities")
        ),
        sa.PrimaryKeyConstraint("authority", "minute_s", *(name for name, _ in _TEXTS), name=op.f("pk_usage_clients")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_clients_minute_s", "usage_clients", ["minute_s"], unique=False)
    op.create_index("ix_usage_hours_range", "usage_hours", _BY_RANGE, unique=False)
