"""The prohibited lists of a merged authority, and its links to lists, as they continue with its successor."""

from dataclasses import dataclass, field

from api.db.models import AuthorityRow, BanRow, ListLinkRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.lists import repository
from api.lists.continuing import continue_link, continue_list
from api.lists.state import is_over
from api.succession.outcome import Outcome
from dnsfilter.policy.model import OnList


@dataclass(slots=True)
class ContinuedLists:
    """The successor's lists by the references of the merged authority's, and numbers of links by those before."""

    lists: dict[str, ProhibitedListRow] = field(default_factory=dict)
    links: dict[int, int] = field(default_factory=dict)

    def on_list(self, ban: BanRow) -> OnList | None:
        """Return the version of a list from which a ban of the merged authority comes, as of the continued list."""
        held = ban.on_list
        row = None if held is None else self.lists.get(held.reference)
        return held if held is None or row is None else OnList(row.reference, held.version)


def continue_lists(unit: UnitOfWork, old: AuthorityRow, new: AuthorityRow, done: Outcome) -> ContinuedLists:
    """Continue the lists of which not all bans have lapsed, and all links of the authority and of its lists."""
    found, bans = ContinuedLists(), repository.bans(unit.session, old.slug)
    for row in repository.of_authority(unit.session, old.slug):
        if not is_over(row, bans, unit.now_s):
            made = found.lists[row.reference] = continue_list(unit, row, new.slug)
            done.continued.append((subject(row), subject(made)))
    for link in repository.links_of(unit.session, old.slug, unit.now_s):
        _continue_link(unit, link, (old.slug, new.slug), found, done)
    return found


def _continue_link(
    unit: UnitOfWork, link: ListLinkRow, merged: tuple[str, str], found: ContinuedLists, done: Outcome
) -> None:
    old, new = merged
    row = unit.session.get_one(ProhibitedListRow, link.list_number)
    of = found.lists.get(row.reference) if row.authority == old else row
    to = new if link.authority == old else link.authority
    if of is None:
        done.ended.append(subject(link))
    elif of.authority == to:
        done.covered.append((subject(link), subject(of)))
    else:
        made, was_there = continue_link(unit, link, of, to)
        found.links[link.number] = made.number
        (done.covered if was_there else done.continued).append((subject(link), subject(made)))
