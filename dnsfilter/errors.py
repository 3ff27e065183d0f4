"""The exception tree. The type says where the fault is.

DnsfilterError
├── MalformedMessage        a peer sent bytes that are not an acceptable DNS message
│   └── MalformedData       the message can be read, but the data of a record breaks its type's rules
├── PolicyError             the user's policy contradicts itself
├── ConfigError             the user's configuration or policy file is wrong; has every Problem
├── ListError               a file or an answer is no list of names, or too large
├── SnapshotError           a snapshot cannot be read or fails its digests
└── UnavailableError        something that this node needs is not available (port, upstream, snapshot, API)
"""

from dataclasses import dataclass


class DnsfilterError(Exception):
    """Base of all exceptions that this project raises on purpose."""


class MalformedMessage(DnsfilterError):
    """A peer's bytes break the format. The message says what is wrong, and at which byte."""


class MalformedData(MalformedMessage):
    """A readable message with record data that breaks its type's rules. Another server may have better data."""


class PolicyError(DnsfilterError):
    """A policy that contradicts itself. The message names the object."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in the user's input: `location` is a file and key path, `message` says what to do."""

    location: str
    message: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


class ConfigError(DnsfilterError):
    """A configuration or policy file with problems. Has all of them, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class ListError(DnsfilterError):
    """Input that is no list of names, or too large. The message says what it is."""


class SnapshotError(DnsfilterError):
    """A snapshot file that is missing, truncated, of another version, or does not match its digest."""


class UnavailableError(DnsfilterError):
    """Something outside this process is missing or busy. The message says what to do."""
