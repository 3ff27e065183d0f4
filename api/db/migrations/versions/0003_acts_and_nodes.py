"""Authorities that close, reasons of modes, suspensions, nodes, notices."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    op.create_table(
        "suspensions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=True),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_suspensions_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_suspensions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_suspensions_authority"), "suspensions", ["authority"], unique=False)
    op.create_index(op.f("ix_suspensions_end_s"), "suspensions", ["end_s"], unique=False)
    _nodes()
    op.create_table(
        "notices",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.Column("next_try_s", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_s", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_notices_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notices_authority"), "notices", ["authority"], unique=False)
    op.create_index(op.f("ix_notices_next_try_s"), "notices", ["next_try_s"], unique=False)


def _columns() -> None:
    """Add columns one by one: SQLite cannot recreate a table that others refer to.

    The defaults are for existing rows. New rows have values for all columns.
    """
    texts = sa.String(length=1000)
    op.add_column("authorities", sa.Column("closes_s", sa.BigInteger(), nullable=True))
    op.add_column("authorities", sa.Column("closed_reason", texts, nullable=False, server_default=""))
    decision = sa.Column("closed_decision", sa.JSON(none_as_null=True), nullable=False, server_default="{}")
    op.add_column("authorities", decision)
    op.add_column("authorities", sa.Column("successor", sa.String(length=63), nullable=True))
    op.add_column("bans", sa.Column("mode_reason", texts, nullable=False, server_default=""))
    op.add_column("bans", sa.Column("mode_set_s", sa.BigInteger(), nullable=True))
    reference = sa.Column("ended_reference", sa.String(length=500), nullable=False, server_default="")
    op.add_column("bindings", reference)


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("registered_s", sa.BigInteger(), nullable=False),
        sa.Column("removed_s", sa.BigInteger(), nullable=True),
        sa.Column("enrolment_public", sa.String(length=12), nullable=True),
        sa.Column("enrolment_digest", sa.String(length=64), nullable=False),
        sa.Column("enrolment_until_s", sa.BigInteger(), nullable=True),
        sa.Column("enrolled_s", sa.BigInteger(), nullable=True),
        sa.Column("public", sa.String(length=12), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seen_s", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["sites.slug"], name=op.f("fk_nodes_site_sites")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_nodes")),
        sa.UniqueConstraint("enrolment_public", name=op.f("uq_nodes_enrolment_public")),
        sa.UniqueConstraint("name", name=op.f("uq_nodes_name")),
        sa.UniqueConstraint("public", name=op.f("uq_nodes_public")),
        sqlite_autoincrement=True,
    )
