"""What a form of a network offers to choose: authorities, sites, users and funding."""

from collections.abc import Sequence

from api.authorities.schemas import AuthorityRead
from api.console.frame.page_words import N_
from api.console.frame.visit import Visit
from api.http.schemas import Page
from api.ranges.schemas import SiteRead
from dnsfilter.policy.model import Audience, Funding

AUDIENCES = {
    Audience.STAFF: N_("staff"),
    Audience.PUBLIC: N_("the public"),
    Audience.PUPILS: N_("pupils"),
}
FUNDINGS = {
    Funding.PUBLIC: N_("public money"),
    Funding.PARTLY_PUBLIC: N_("partly public money"),
    Funding.PRIVATE: N_("private money"),
}
Pairs = list[tuple[str, str]]


def audiences(visit: Visit) -> Pairs:
    """Return who may use the devices."""
    return [(str(key), visit.words.translate(english)) for key, english in AUDIENCES.items()]


def fundings(visit: Visit) -> Pairs:
    """Return who may have paid for the devices."""
    return [(str(key), visit.words.translate(english)) for key, english in FUNDINGS.items()]


def named(visit: Visit, authorities: Sequence[AuthorityRead]) -> Pairs:
    """Return authorities with their names in the language of the page."""
    return [(each.slug, visit.words.name(each.names)) for each in authorities]


async def sites(visit: Visit) -> Pairs:
    """Return the sites. The page calls `list_sites`."""
    found = await visit.read(Page[SiteRead], "list_sites", query={"limit": 200})
    return [(each.slug, each.name or each.slug) for each in found.items]
