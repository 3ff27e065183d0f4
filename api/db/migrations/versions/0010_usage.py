"""Usage: queries by day, and by hour and range; attempts to bypass the resolver; batches that were counted."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_AUTHORITIES = sa.table("authorities", sa.column("usage"))
_VERSIONS = sa.table(
    "versions",
    sa.column("kind"),
    sa.column("key"),
    sa.column("revision"),
    sa.column("body", sa.JSON(none_as_null=True)),
)
_WITHOUT_EFFECT = ("range", "client")
_BAN = ("service", 63), ("ban_authority", 63), ("ground", 16), ("result", 16)


def upgrade() -> None:
    _read_levels_without_effect()
    _counts("usage_days", [("day", 10), *_BAN])
    op.create_index("ix_usage_days_ban_authority", "usage_days", ["ban_authority", "service", "day"], unique=False)
    _counts("usage_hours", [("hour_s", None), ("site", 63), ("prefix", 43), *_BAN])
    op.create_index("ix_usage_hours_hour_s", "usage_hours", ["hour_s"], unique=False)
    _counts("bypass_days", [("day", 10), ("kind", 32)])
    op.create_table(
        "usage_streams",
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("taken_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node"], ["nodes.number"], name=op.f("fk_usage_streams_node_nodes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("node", "stream", name=op.f("pk_usage_streams")),
    )


def _read_levels_without_effect() -> None:
    """Write levels that early versions stored without effect as `authority`, as which they were counted.

    Otherwise an upgrade would begin to count ranges without an act.
    """
    connection = op.get_bind()
    connection.execute(
        sa.update(_AUTHORITIES).where(_AUTHORITIES.c.usage.in_(_WITHOUT_EFFECT)).values(usage="authority")
    )
    versions = sa.select(_VERSIONS).where(_VERSIONS.c.kind == "authority")
    for kind, key, revision, body in connection.execute(versions).all():
        if body is not None and body.get("usage") in _WITHOUT_EFFECT:
            this = _VERSIONS.c.kind == kind, _VERSIONS.c.key == key, _VERSIONS.c.revision == revision
            connection.execute(sa.update(_VERSIONS).where(*this).values(body={**body, "usage": "authority"}))


def _counts(table: str, key: list[tuple[str, int | None]]) -> None:
    """Create a table of counts of an authority. The key's columns are texts of a length, or instants (None)."""
    columns = [
        sa.Column(name, sa.BigInteger() if length is None else sa.String(length=length), nullable=False)
        for name, length in key
    ]
    op.create_table(
        table,
        sa.Column("authority", sa.String(length=63), nullable=False),
        *columns,
        sa.Column("queries", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f(f"fk_{table}_authority_authorities")),
        sa.PrimaryKeyConstraint("authority", *(name for name, _ in key), name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
