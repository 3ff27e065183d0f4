"""Request and response schemas of closing and merging."""

from pydantic import Field

from api.authorities.schemas import AuthorityRead
from api.http.formal_decisions import FormalDecisionWrite
from api.http.schemas import Read, Reason, Slug, Strict, TimestampText
from api.ranges.schemas import ChangedBansRead
from dnsfilter.policy.model import FormalDecision


class EndDecision(FormalDecisionWrite):
    """The formal decision to close or merge an authority."""

    def value(self) -> FormalDecision:
        """Return the formal decision as the policy has it."""
        return FormalDecision(self.organ, self.reference, self.date, self.legal_basis, self.advice, self.link)


class ClosingWrite(Strict):
    """Close an authority at `at`; now if omitted. With `dry_run` nothing is recorded."""

    at: TimestampText | None = None
    reason: Reason
    decision: EndDecision | None = None
    dry_run: bool = False


class MergingWrite(Strict):
    """Merge an authority into `into` now. `decision` is also the formal decision of the bans that continue there.

    With `dry_run` nothing is recorded.
    """

    into: Slug
    reason: Reason
    decision: EndDecision
    dry_run: bool = False


class DoneRead(Read):
    """One act that was done, or would be done."""

    act: str = Field(examples=["ban.end"])
    object: str = Field(examples=["ban/ghent/tiktok"])


class ClosedRead(Read):
    """An authority with its closing, and all acts that belong to it."""

    authority: AuthorityRead
    acts: list[DoneRead]
    dry_run: bool


class ContinuedRead(Read):
    """A ban, list, link, binding or exemption of the merged authority, and the successor's that continues it."""

    object: str = Field(examples=["ban/ghent/tiktok"])
    by: str


class MergedRead(Read):
    """A merged authority, its successor, and what became of each object.

    `continued` objects continue with the successor. For `covered` ones the successor already had the same. `overruled`
    bans had another mode or scope than the successor's own ban, which decides from now on. `ended` objects do not
    continue, or not in all their ranges or time. These are requests, bindings and exemptions of a lapsed ban,
    exemptions where the successor's ban already applied, and objects that the catalogue or the ranges no longer have.
    """

    authority: AuthorityRead
    into: AuthorityRead
    continued: list[ContinuedRead]
    covered: list[ContinuedRead]
    overruled: list[ContinuedRead]
    ended: list[str]
    changes: list[ChangedBansRead] = Field(description="Which bans change for the ranges that move.")
    acts: list[DoneRead]
    dry_run: bool
