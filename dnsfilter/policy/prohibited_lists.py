"""Prohibited lists as values: services of one authority in versions, and links to other authorities. Pure.

No decision reads them. What they prohibit are bans and bindings of the policy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_TIERS,
    Address,
    Audience,
    Ban,
    Binding,
    FormalDecision,
    Funding,
    Ground,
    Instant,
    Mode,
    OnList,
    Reply,
    Service,
    Term,
)


class LinkGround(StrEnum):
    """Why additions to a list reach another authority: by law at once, by agreement or following as proposals."""

    LAW = "law"
    AGREEMENT = "agreement"
    FOLLOWING = "following"


@dataclass(frozen=True, slots=True)
class ListVersion:
    """The services that a formal decision adds to a list and takes off it, and what it gave to the bans of `adds`."""

    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    decision: FormalDecision = field(default_factory=FormalDecision)
    terms: tuple[Term, ...] = ()
    mode: Mode = Mode.ENFORCE
    reply: Reply = Reply.REFUSED
    addresses: tuple[Address, ...] = ()
    tiers: frozenset[int] = DEFAULT_TIERS
    funding: frozenset[Funding] = DEFAULT_FUNDING
    audience: frozenset[Audience] = DEFAULT_AUDIENCE

    def ban(self, number: int, authority: str, slug: str, service: Service | None, on_list: OnList) -> Ban:
        """Return the ban that the decision makes on a service; None is an unknown one."""
        tiers = self.tiers
        if service is not None and tiers != DEFAULT_TIERS:
            tiers = fitting_tiers(tiers, service) or tiers
        scope = tiers, self.funding, self.audience
        ban = Ban(number, authority, slug, self.mode, self.terms, self.reply, self.addresses, *scope, self.decision)
        return replace(ban, on_list=on_list)


@dataclass(frozen=True, slots=True)
class ProhibitedList:
    """A list. Before its first version it has only `draft`, the services to adopt.

    `declined` are services of its category that the authority does not want.
    """

    authority: str
    slug: str
    title: str = ""
    category: str = ""
    draft: tuple[str, ...] = ()
    versions: tuple[ListVersion, ...] = ()
    declined: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The name by which bans and links refer to it."""
        return f"{self.authority}/{self.slug}"

    @property
    def service_versions(self) -> dict[str, int]:
        """The services on the list, each with the version that added it."""
        return service_versions((version.adds, version.removes) for version in self.versions)


@dataclass(frozen=True, slots=True)
class ListLink:
    """What a list means for another authority over `[start, end)`. `bindings` are the numbers of those it brought."""

    prohibited_list: str
    authority: str
    ground: LinkGround
    instrument: str
    date: str
    start: Instant
    end: Instant | None = None
    bindings: frozenset[int] = field(default=frozenset(), compare=False)
    new_names_at_once: bool = False

    def binding(self, number: int, ban: int, recorded: Instant) -> Binding:
        """Return the binding of a ban on the list, accepted when it is recorded."""
        accepted = recorded if self.ground is LinkGround.AGREEMENT else None
        ground, times = Ground(self.ground), (self.start, self.end)
        said, at_once = (self.instrument, self.date), self.new_names_at_once
        return Binding(
            number, ban, self.authority, ground, *times, accepted, recorded, *said, new_names_at_once=at_once
        )


@dataclass(frozen=True, slots=True)
class Lists:
    """The prohibited lists that a policy's bans come from, and their links."""

    lists: tuple[ProhibitedList, ...] = ()
    links: tuple[ListLink, ...] = ()


NO_LISTS: Final = Lists()


def service_versions(changes: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[str, int]:
    """Return the services on a list, each with the version that added it. Versions add and remove, from 1 on."""
    found: dict[str, int] = {}
    for version, (adds, removes) in enumerate(changes, 1):
        found |= dict.fromkeys(adds, version)
        for service in removes:
            found.pop(service, None)
    return found


def fitting_tiers(tiers: frozenset[int], service: Service) -> frozenset[int]:
    """Return those of the tiers that the service has."""
    return tiers & {tier.number for tier in service.tiers}
