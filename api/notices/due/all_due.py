"""Find all notices that are due at an instant, already made or not."""

from collections.abc import Mapping
from functools import partial
from itertools import chain

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.authorities.state import sql_is_closed
from api.db.models import AuthorityRow
from api.notices.due.due_acts import due_bindings, due_captures, due_exemptions, due_mergers, due_suspensions
from api.notices.due.due_bans import due_bans
from api.notices.due.due_feeds import due_feeds
from api.notices.due.due_followed_bans import due_followed_bans
from api.notices.due.due_lists import due_list_additions, due_list_proposals, grouped
from api.notices.due.due_modes import due_lifts, due_modes, due_requests
from api.notices.due.due_names import due_names
from api.notices.due.due_nodes import due_nodes
from api.notices.due.due_peers import due_peers
from api.notices.due.due_updates import due_asked_names, due_removed_names, due_updates
from api.notices.kinds import Due, Hour
from blocklists.catalogue import Catalogue
from dnsfilter.policy.model import Service


def due(session: Session, hour: Hour, services: Mapping[str, Service], packaged: Catalogue) -> list[Due]:
    """Return every due notice, each key once. Leave out notices to closed authorities.

    `services` are those in force, `packaged` is the catalogue of this release.
    """
    statement = select(AuthorityRow.slug).where(sql_is_closed(hour.now))
    closed = frozenset(session.scalars(statement))
    found: dict[str, Due] = {}
    topics = (
        due_bans,
        due_modes,
        due_requests,
        due_lifts,
        due_followed_bans,
        due_updates,
        due_removed_names,
        partial(due_asked_names, services=services),
        due_exemptions,
        due_names,
        due_bindings,
        due_mergers,
        due_list_additions,
        partial(due_list_proposals, packaged=packaged),
        due_suspensions,
        due_captures,
        due_feeds,
        due_peers,
        due_nodes,
    )
    for one in chain.from_iterable(topic(session, hour) for topic in topics):
        if one.authority not in closed:
            found.setdefault(one.key, one)
    return grouped(session, list(found.values()))
