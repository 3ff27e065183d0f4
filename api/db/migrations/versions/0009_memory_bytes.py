"""The last report of a node has its memory as `memory_bytes`."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NODES = sa.table("nodes", sa.column("number"), sa.column("report", sa.JSON(none_as_null=True)))


def upgrade() -> None:
    connection = op.get_bind()
    for number, report in connection.execute(sa.select(_NODES.c.number, _NODES.c.report)).all():
        load = (report or {}).get("load") or {}
        if "memory_octets" in load:
            renamed = {"memory_bytes" if key == "memory_octets" else key: value for key, value in load.items()}
            changed = sa.update(_NODES).where(_NODES.c.number == number).values(report={**report, "load": renamed})
            connection.execute(changed)
