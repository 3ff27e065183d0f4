"""The exception tree. Whose fault it is stands in the type.

DnsfilterError
├── MalformedMessage        a peer sent bytes that are no DNS message we accept
│   └── MalformedData       the message can be read, and the data of a record breaks its type's rules
├── PolicyError             the user's policy contradicts itself
├── ConfigError             the user's configuration or policy file; carries every Problem
├── SnapshotError           a snapshot that cannot be read or fails its digests
└── UnavailableError        something this node needs is not there (port, upstream, snapshot, API)
"""

from dataclasses import dataclass


class DnsfilterError(Exception):
    """Base of everything this project raises on purpose."""


class MalformedMessage(DnsfilterError):
    """A peer's bytes break the format; the message names what and at which octet."""


class MalformedData(MalformedMessage):
    """A readable message with record data that breaks its type's rules; another server may have better data."""


class PolicyError(DnsfilterError):
    """A policy that contradicts itself; the message names the object."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in something the user wrote: `place` is a file and key path, `message` says what to do."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ConfigError(DnsfilterError):
    """Configuration or policy file with problems; all of them at once, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class SnapshotError(DnsfilterError):
    """A snapshot file that is missing, cut short, of a foreign version, or not what its digest says."""


class UnavailableError(DnsfilterError):
    """Something outside this process is missing or busy; the message says what to do."""
