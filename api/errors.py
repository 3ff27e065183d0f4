"""The errors of acts and reads. They do not depend on HTTP.

ApiError
├── NotAuthenticated      no token, or an unknown one
├── Forbidden             the caller may not do that
├── TooMany               too many authentication failures from one address
├── TooManyAtOnce         the caller has as many requests under way as one caller may
├── Overloaded            all callers together have as many requests under way as are possible
├── NotFound              the named thing is not registered
├── Conflict              existing data forbids it: history, uniqueness, the order of steps
├── Withheld              the act would do more than its request allows
├── Stale                 the caller's version (`If-Match`) is not the current one
├── Invalid               the request contradicts itself or the policy; carries every fault
│   └── BadRows           rows of a file, by line
├── Unusable              the database is not the one that was opened, or it is damaged (`api.db.unusable`)
└── NotPublished          the act is recorded, but its snapshot is not published yet; publishing is retried
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import ClassVar

from dnsfilter.translatable import Text

MAX_COMPARED = 64
"""The most characters of a text that is compared with names. A longer text is similar to no name."""
MAX_NAMES = 5_000
"""The most names that a text is compared with. Comparing them takes a few hundred milliseconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: `location` is a path of keys, `message` says what to do."""

    location: str
    message: str


class ApiError(Exception):
    """Base of the errors that the control plane raises on purpose. The message is lower case and for the caller."""


class NotAuthenticated(ApiError):
    """The request carries no known token."""


class Forbidden(ApiError):
    """The caller is known but may not do this. `authority` is the one that the caller named at `location`, if any."""

    def __init__(self, message: str, authority: str | None = None, location: str = "path.slug") -> None:
        super().__init__(message)
        self.authority = authority
        self.location = location


class TooMany(ApiError):
    """Too many recent authentication failures from one address. Another token may be tried after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyAtOnce(ApiError):
    """The caller has as many requests under way as one caller may."""


class Overloaded(ApiError):
    """All callers together have as many requests under way as are possible."""


class NotFound(ApiError):
    """The thing that the request names is not registered."""


class Conflict(ApiError):
    """Existing data forbids the act. `faults` lists the conflicts if there are several."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class Withheld(ApiError):
    """The act would do more than its request allows. Nothing was done."""


class Stale(ApiError):
    """The resource has changed since the caller read it. `revision` is that of its last change, if it exists."""

    def __init__(self, message: str, revision: int | None) -> None:
        super().__init__(message)
        self.revision = revision


class Invalid(ApiError):
    """A request with faults. `faults` has all of them, the message the first `MAX_LISTED`."""

    MAX_LISTED: ClassVar[int] = 100
    """The most faults that a message and an answer list."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        listed = [f"{fault.location}: {fault.message}" for fault in faults[: self.MAX_LISTED]]
        more = [f"and {len(faults) - len(listed)} more"] if len(faults) > len(listed) else []
        super().__init__("; ".join(listed + more))
        self.faults = tuple(faults)

    @classmethod
    def at(cls, location: str, message: str) -> "Invalid":
        """Return the error for a single fault."""
        return cls((Fault(location, message),))


@contextmanager
def invalid_at(location: str) -> Iterator[None]:
    """Turn a ValueError of the block into Invalid at `location`, with the same message."""
    try:
        yield
    except ValueError as error:
        raise Invalid.at(location, str(error)) from error


@contextmanager
def collect_faults(faults: list[Fault], subject: str) -> Iterator[None]:
    """Add the errors that the block raises about `subject`, one of many objects, to `faults`."""
    try:
        yield
    except Invalid as error:
        faults += [Fault(subject, fault.message) for fault in error.faults]
    except (Conflict, NotFound) as error:
        faults.append(Fault(subject, str(error)))


class BadRows(Invalid):
    """A file with rows that cannot be accepted: a fault for each, in the order of lines. The message counts them."""

    MAX_LISTED: ClassVar[int] = 10_000
    """More than in other errors: the sender of the file corrects all rows at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(())
        count = len(faults)
        listed = Text(" (the first {most} are listed)", most=self.MAX_LISTED) if count > self.MAX_LISTED else ""
        one = Text("1 row cannot be imported{listed}: nothing was done")
        several = Text("{count} rows cannot be imported{listed}: nothing was done")
        self.args = ((one if count == 1 else several).filled(count=count, listed=listed),)
        self.faults = tuple(faults)


class NotPublished(ApiError):
    """An act is committed, but its snapshot could not be published. Publishing is retried until it succeeds."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the most similar name, to append to a sentence; "" if none is similar."""
    near = get_close_matches(given, islice(known, MAX_NAMES), n=1) if len(given) <= MAX_COMPARED else []
    return Text(' Did you mean "{name}"?', name=near[0]) if near else ""


_UNKNOWN = {
    "authority": Text('No authority "{given}".{hint}'),
    "ban": Text('No ban "{given}".{hint}'),
    "service": Text('No service "{given}".{hint}'),
    "site": Text('No site "{given}".{hint}'),
}


def unknown(kind: str, given: str, known: Iterable[str]) -> Text:
    """Return the message about an unknown name of a kind. `dnsfilterctl KIND list` shows the known names."""
    return _UNKNOWN[kind].filled(given=given, hint=did_you_mean(given, known) or see_list(kind))


def see_list(command: str) -> Text:
    """Return the sentence that names the command with the known names, to append to a sentence."""
    return Text(" See dnsfilterctl {command} list.", command=command)
