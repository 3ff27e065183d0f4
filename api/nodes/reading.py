"""Convert local suspensions to API answers."""

from collections.abc import Iterable

from api.nodes.state import LocalSuspension
from api.suspensions.schemas import LocalSuspensionRead
from api.timestamps import timestamp_text


def reported(found: Iterable[LocalSuspension], *, named: bool) -> list[LocalSuspensionRead]:
    """Return local suspensions by `position`.

    Unless `named`, return the longest of each site and authority, without the name of its node.
    """
    shown: dict[object, LocalSuspensionRead] = {}
    for one in sorted(found, key=lambda one: one.until_s):
        until, node = timestamp_text(one.until_s), one.node if named else None
        shown[node, one.site, one.authority] = LocalSuspensionRead(
            node=node, site=one.site, authority=one.authority, until=until
        )
    return sorted(shown.values(), key=position)


def position(one: LocalSuspensionRead) -> str:
    """Return the sort key: a suspension of all comes before those of single authorities."""
    return f"{one.node or ''} {one.site} {one.authority or ''}"
