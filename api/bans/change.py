"""What a caller wants of a ban."""

from dataclasses import dataclass

from dnsfilter.policy.model import Audience, DecisionRecord, Funding, Instant, Mode, Reply, Term


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
    decision: DecisionRecord | None = None
    terms: tuple[Term, ...] | None = None
    provisional: bool | None = None
    loaded: bool = False
