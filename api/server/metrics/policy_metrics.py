"""Metrics of bans, their changes, exemptions and ranges."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.bans.ban_summaries import BanSummary
from api.exemptions.exemption_counts import ExemptionCount
from api.revisions.recent_changes import Changed
from api.server.metrics import metric_table as table
from api.server.metrics.families import family_of, single
from api.usage.state import CoverageState
from dnsfilter.policy.model import Mode


class Bans(Protocol):
    """The bans, as metrics read them."""

    def summaries(self) -> Sequence[BanSummary]: ...


class Changes(Protocol):
    """The newest changes, as metrics read them."""

    def changes(self) -> Sequence[Changed]: ...
    def policy_changed_s(self) -> int | None: ...


class Exemptions(Protocol):
    """The exemptions, as metrics read them."""

    def counts(self) -> Sequence[ExemptionCount]: ...


class Ranges(Protocol):
    """The ranges, as metrics read them."""

    def counts(self) -> Mapping[tuple[str, CoverageState], int]: ...


class BansCollector(Collector):
    """Every ban, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, bans: Bans) -> None:
        self._bans = bans
        self._summaries: Sequence[BanSummary] | None = None
        self._families: tuple[Metric, ...] = ()
        """The families of `_summaries`. Those of thousands of bans take a tenth of a second of a core to make."""

    def collect(self) -> Iterator[Metric]:
        """Yield six families. Those with timestamps have a series only for bans that have one."""
        try:
            summaries = self._bans.summaries()
        except SQLAlchemyError:
            return
        if summaries is not self._summaries:
            self._summaries, self._families = summaries, tuple(self._made(summaries))
        yield from self._families

    def _made(self, summaries: Sequence[BanSummary]) -> Iterator[Metric]:
        found = [((ban.authority, ban.service), ban) for ban in summaries]
        yield family_of(table.BAN_INFO, [((*of, ban.reply, ban.reference), 1) for of, ban in found])
        modes = [((*of, mode), int(ban.mode is mode)) for of, ban in found for mode in Mode]
        yield family_of(table.BAN_MODE, modes)
        yield family_of(table.BAN_IN_FORCE, [(of, int(ban.in_force)) for of, ban in found])
        yield family_of(table.BAN_END, [(of, ban.end) for of, ban in found if ban.end is not None])
        yield family_of(table.BAN_REVIEW, [(of, ban.review) for of, ban in found if ban.review is not None])
        yield family_of(table.BAN_OFF_SINCE, [(of, ban.off_since) for of, ban in found if ban.off_since is not None])


class ChangesCollector(Collector):
    """What changed last, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def collect(self) -> Iterator[Metric]:
        """Yield a family with a series for each of the newest changes, and one with the time of the last act."""
        try:
            found, changed_s = self._changes.changes(), self._changes.policy_changed_s()
        except SQLAlchemyError:
            return
        yield family_of(table.CHANGE, [((one.authority, one.service, one.change), one.at) for one in found])
        yield single(table.POLICY_CHANGED, changed_s)


class ExemptionsCollector(Collector):
    """Exemptions per authority, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, exemptions: Exemptions) -> None:
        self._exemptions = exemptions

    def collect(self) -> Iterator[Metric]:
        """Yield two families, with series for each authority and state that has any."""
        try:
            found = self._exemptions.counts()
        except SQLAlchemyError:
            return
        in_force = [((one.authority, table.IN_FORCE), one.in_force) for one in found if one.in_force]
        waiting = [((one.authority, table.WAITING), one.waiting) for one in found if one.waiting]
        yield family_of(table.EXEMPTIONS, [*in_force, *waiting])
        yield family_of(table.EXEMPTION_WAITING, [((one.authority,), one.waiting_s) for one in found if one.waiting])


class RangesCollector(Collector):
    """Ranges per authority and state, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = ranges

    def collect(self) -> Iterator[Metric]:
        """Yield one family, with a series for each authority and state that has a range."""
        try:
            found = self._ranges.counts()
        except SQLAlchemyError:
            return
        yield family_of(table.RANGES, sorted(found.items()))
