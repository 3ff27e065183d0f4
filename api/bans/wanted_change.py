"""What a caller wants of a ban."""

from dataclasses import dataclass

from api.bans.state import switch_at
from api.db.models import BanRow
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Mode, Reply, Term


@dataclass(frozen=True, slots=True)
class BanChange:
    """What a caller wants of a ban; None leaves a field as it is. Another mode without a reason has none.

    With `off_until` the ban is off until then. `mode` returns, or, if that is `off`, the mode that it has or had.
    `loaded` says that the ban comes with a whole policy into an empty database: it was decided elsewhere, and is taken
    with what is known of its decision.
    """

    mode: Mode | None = None
    mode_reason: str | None = None
    off_until: Instant | None = None
    reply: Reply | None = None
    addresses: tuple[str, ...] | None = None
    tiers: frozenset[int] | None = None
    funding: frozenset[Funding] | None = None
    audience: frozenset[Audience] | None = None
    decision: FormalDecision | None = None
    terms: tuple[Term, ...] | None = None
    provisional: bool | None = None
    loaded: bool = False


def as_decided(row: BanRow, now: Instant, *, reason: str = "") -> BanChange:
    """Return how a ban applies, as a change of it later, or of another ban. One that is off with an end stays so.

    `reason` stands in for one that is missing, unless the ban refuses.
    """
    switch = switch_at(row, now)
    return BanChange(
        mode=row.lasting_mode,
        mode_reason=switch.reason or ("" if switch.mode is Mode.ENFORCE else reason),
        off_until=switch.until,
        reply=Reply(row.reply),
        addresses=tuple(row.addresses),
        tiers=frozenset(row.tiers),
        funding=frozenset(map(Funding, row.funding)),
        audience=frozenset(map(Audience, row.audience)),
    )
