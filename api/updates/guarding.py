"""The guard as an installation asks it: that of the release, with the names that its nodes depend on."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import NodeRow
from blocklists import guard
from blocklists.guard import Guard
from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import parse_name


def installation_guard(session: Session) -> Guard:
    """Return the guard with the conditional zones of all nodes, and the names by which they reach this program."""
    zones: set[WireName] = set()
    control_plane: set[WireName] = set()
    for report in session.scalars(select(NodeRow.report).where(NodeRow.sql_is_enrolled())):
        zones.update(map(parse_name, report.get("zones", ())))
        if report.get("control_plane"):
            control_plane.add(parse_name(report["control_plane"]))
    return guard.installation_guard(zones, control_plane)
