"""Closing and merging as written, and what was done."""

from pydantic import Field

from api.authorities.schemas import AuthorityRead
from api.http.formal_decisions import DecidedWrite
from api.http.schemas import Read, Reason, Slug, Strict, TimestampText
from dnsfilter.policy.model import FormalDecision


class EndDecision(DecidedWrite):
    """The formal decision about an authority's end."""

    def value(self) -> FormalDecision:
        """As the policy has it."""
        return FormalDecision(self.organ, self.reference, self.date, self.legal_basis, self.advice, self.link)


class ClosingWrite(Strict):
    """That an authority ceases to be at `at` (now, if absent). With `dry_run` nothing is recorded."""

    at: TimestampText | None = None
    reason: Reason
    decision: EndDecision | None = None
    dry_run: bool = False


class MergingWrite(Strict):
    """That an authority is from now on part of `into`, by a decision that is that of the bans continued there.

    With `dry_run` nothing is recorded.
    """

    into: Slug
    reason: Reason
    decision: EndDecision
    dry_run: bool = False


class DoneRead(Read):
    """One act that was done, or would be."""

    act: str = Field(examples=["ban.end"])
    object: str = Field(examples=["ban/ghent/tiktok"])


class ClosedRead(Read):
    """An authority with its end on record, and every act that belongs to it."""

    authority: AuthorityRead
    acts: list[DoneRead]
    dry_run: bool


class ContinuedRead(Read):
    """A ban, a binding or an exemption of the merged authority, and that of the successor which continues it."""

    object: str = Field(examples=["ban/ghent/tiktok"])
    by: str


class MergedRead(Read):
    """A merged authority and its successor; what goes on there as what, and what the successor had already.

    `overruled` are bans that applied in another mode or scope than the successor's own, which decides from now on.
    `ended` is what goes on nowhere, or not in all of its ranges or time: requests, what belongs to a ban that has
    lapsed, exemptions from where the successor's ban applied too, and what the catalogue or the ranges no longer have.
    """

    authority: AuthorityRead
    into: AuthorityRead
    continued: list[ContinuedRead]
    covered: list[ContinuedRead]
    overruled: list[ContinuedRead]
    ended: list[str]
    acts: list[DoneRead]
    dry_run: bool
