"""Requests for any act that needs a second person: the API request as it was sent.

A request that waited for a decision lapses: what it would lift was not recorded.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UNCHANGED = (
    *("number", "reason", "requested_s", "requested_by", "approved_s", "rejected_s", "withdrawn_s", "decided_by"),
    *("note", "revision"),
)


def upgrade() -> None:
    connection = op.get_bind()
    bans = sa.table("bans", sa.column("number"), sa.column("authority"), sa.column("service"))
    old = sa.table("requests", *(sa.column(name) for name in (*_UNCHANGED, "ban", "mode", "until_s", "was")))
    joined = sa.select(old, bans.c.authority, bans.c.service).join_from(old, bans, bans.c.number == old.c.ban)
    kept = [_request(row) for row in connection.execute(joined.order_by(old.c.number)).mappings()]
    op.drop_index(op.f("ix_requests_ban"), "requests")
    op.drop_table("requests")
    columns = (
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("object", sa.String(length=300), nullable=False),
        sa.Column("operation", sa.String(length=63), nullable=False),
        sa.Column("path", sa.JSON(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("acts", sa.JSON(), nullable=False),
        sa.Column("act_count", sa.BigInteger(), nullable=False),
        sa.Column("lifts", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("requested_s", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("lapses_s", sa.BigInteger(), nullable=True),
        sa.Column("approved_s", sa.BigInteger(), nullable=True),
        sa.Column("rejected_s", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_s", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    table = op.create_table(
        "requests",
        *columns,
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_requests_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_requests")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_requests_authority"), "requests", ["authority"], unique=False)
    op.create_index(op.f("ix_requests_object"), "requests", ["object"], unique=False)
    if kept:
        op.bulk_insert(table, kept)
    if kept and connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT setval('requests_number_seq', (SELECT max(number) FROM requests))"))


def _request(row: sa.RowMapping) -> dict[str, object]:
    """Return the columns of a request to set a ban's mode."""
    subject = f"ban/{row['authority']}/{row['service']}"
    until = (
        None if row["until_s"] is None else datetime.fromtimestamp(row["until_s"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    after = {"mode": row["mode"], "off_until": until}
    return {
        **{name: row[name] for name in _UNCHANGED},
        "authority": row["authority"],
        "object": subject,
        "operation": "patch_ban",
        "path": {"slug": row["authority"], "service": row["service"]},
        "query": "",
        "media_type": "application/json",
        "body": "",
        "acts": [{"act": f"ban.set_{row['mode']}", "object": subject, "before": {"mode": row["was"]}, "after": after}],
        "act_count": 1,
        "lifts": [],
        "lapses_s": row["requested_s"],
    }
