"""What an act or a question can fail with; nothing here knows HTTP.

ApiError
├── NotAuthenticated      no token, or one that is not known
├── Forbidden             the caller may not do that
├── TooMany               too many authentication failures from one address
├── TooManyAtOnce         the caller has as much under way as one caller may
├── Overloaded            all callers together have as much under way as there is room for
├── NotFound              the named thing is not registered
├── Conflict              the record forbids it: history, uniqueness, an order of steps
├── Withheld              the act would do more than its request allows
├── Stale                 the caller's view (`If-Match`) is not the current one
├── Invalid               the request contradicts itself or the policy; carries every fault
│   └── BadRows           rows of a file, by line
├── Unusable              the database is not the one that was opened, or it is damaged (`api.db.unusable`)
└── NotPublished          the act is recorded, the snapshot is not yet out; it is retried
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import ClassVar

MAX_COMPARED = 64
"""Characters of a text that is compared; a longer one is similar to no name."""
MAX_NAMES = 5_000
"""The most names that a text is compared with: some hundred milliseconds of work."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: `place` is a path of keys, `message` says what to do."""

    place: str
    message: str


class ApiError(Exception):
    """Base of what the control plane raises on purpose; the message is lower case and for the caller."""


class NotAuthenticated(ApiError):
    """The request carries no token that is known."""


class Forbidden(ApiError):
    """The caller is known, and may not do this."""


class TooMany(ApiError):
    """Too many tokens from one address were not taken lately; `retry_after_s` is when one more may be tried."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyAtOnce(ApiError):
    """The caller has as much under way as one caller may."""


class Overloaded(ApiError):
    """All callers together have as much under way as there is room for."""


class NotFound(ApiError):
    """The thing that the request names is not registered."""


class Conflict(ApiError):
    """What is recorded forbids the act; `faults` are all the places where it does, as far as there are several."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class Withheld(ApiError):
    """The act would do more than its request allows; nothing was done."""


class Stale(ApiError):
    """The resource has changed since the caller read it."""


class Invalid(ApiError):
    """A request with faults; all of them at once. The message has the first ones."""

    MAX_LISTED: ClassVar[int] = 100
    """The most faults that an answer lists."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        listed = [f"{fault.place}: {fault.message}" for fault in faults[: self.MAX_LISTED]]
        more = [f"and {len(faults) - len(listed)} more"] if len(faults) > len(listed) else []
        super().__init__("; ".join(listed + more))
        self.faults = tuple(faults)

    @classmethod
    def at(cls, place: str, message: str) -> "Invalid":
        """A single fault."""
        return cls((Fault(place, message),))


@contextmanager
def invalid_at(place: str) -> Iterator[None]:
    """Raise Invalid at that place for a ValueError of the block, with its message."""
    try:
        yield
    except ValueError as error:
        raise Invalid.at(place, str(error)) from error


@contextmanager
def collect_faults(faults: list[Fault], subject: str) -> Iterator[None]:
    """Add what the block raises about `subject`, one of many objects, to `faults`."""
    try:
        yield
    except Invalid as error:
        faults += [Fault(subject, fault.message) for fault in error.faults]
    except (Conflict, NotFound) as error:
        faults.append(Fault(subject, str(error)))


class BadRows(Invalid):
    """A file with rows that cannot be taken: each one a fault, in the order of their lines; the message counts them."""

    MAX_LISTED: ClassVar[int] = 10_000
    """More than elsewhere: whoever sent the file mends them all at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(())
        count = len(faults)
        listed = f", of which the first {self.MAX_LISTED} are listed" if count > self.MAX_LISTED else ""
        self.args = (f"{count} row{'s' if count != 1 else ''} cannot be taken{listed}: nothing was done",)
        self.faults = tuple(faults)


class NotPublished(ApiError):
    """An act is committed but its snapshot could not be published; publication is retried until it succeeds."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the most similar name, to append to a sentence; "" if none is similar."""
    near = get_close_matches(given, islice(known, MAX_NAMES), n=1) if len(given) <= MAX_COMPARED else []
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, given: str, known: Iterable[str]) -> str:
    """Return the message about an unknown name of that kind. `dnsfilterctl KIND list` shows the known ones."""
    return f'No {kind} "{given}".{did_you_mean(given, known) or f" See dnsfilterctl {kind} list."}'
