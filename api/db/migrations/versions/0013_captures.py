"""Captures of a range's queries."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "captures",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("prefix", sa.String(length=43), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.String(length=1000), nullable=False),
        sa.Column("deleted_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_captures_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_captures")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_captures_authority"), "captures", ["authority"], unique=False)
    op.create_index(op.f("ix_captures_end_s"), "captures", ["end_s"], unique=False)
