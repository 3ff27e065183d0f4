"""What a notice has in each language: see `texts.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A notice in one language: subject, what, and what to do; the last may be empty.

    `subject_many` and `what_many` are those of a notice about several nodes, where there may be several.
    """

    subject: str
    what: str
    do: str = ""
    subject_many: str = ""
    what_many: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Words of one language that several notices have. `own_…` is how far a ban of one's own reaches."""

    ban: str
    reference: str
    everybody: str
    own_until: str
    own_lapsed: str
    own_review: str
    own_endless: str
    endless: str
    resumes: str
    again: str
    still: str
    binds: str
    more: str
