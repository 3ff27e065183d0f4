"""Coverage: when each range last asked, and its queries by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _of_ranges("coverage", [], [sa.Column("last_asked_s", sa.BigInteger(), nullable=False)])
    day = sa.Column("day_s", sa.BigInteger(), nullable=False)
    _of_ranges("coverage_days", [day], [sa.Column("hours", sa.JSON(), nullable=False)])
    op.create_index("ix_coverage_days_day_s", "coverage_days", ["day_s"], unique=False)


def _of_ranges(table: str, key: list[sa.Column[int]], values: list[sa.Column[int]]) -> None:
    """Create a table whose rows are of a range, and of `key`."""
    op.create_table(
        table,
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("prefix", sa.String(length=43), nullable=False),
        *key,
        *values,
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f(f"fk_{table}_authority_authorities")),
        sa.PrimaryKeyConstraint("authority", "site", "prefix", *(one.name for one in key), name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
