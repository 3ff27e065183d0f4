"""Acts that the rule of the second person judges: the values that the unit of work and the rule share.

`api.bans.requests` has the rule.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from api.auth.permit import Permit
from api.db.base import Json
from api.db.unit_of_work import UnitOfWork
from dnsfilter.policy.model import Policy

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it was sent: enough to carry it out later."""

    operation: str
    path: Mapping[str, str]
    query: str
    media_type: str
    body: bytes

    @property
    def json(self) -> Json | None:
        """Return the body if it is a JSON object."""
        if self.media_type != JSON or not self.body:
            return None
        found = json.loads(self.body)
        return found if isinstance(found, dict) else None


class NeedsSecondPerson(Exception):
    """Raised if an act needs a second person: it is rolled back and becomes a request."""


class SecondPersonRule(Protocol):
    """The rule: which acts wait, and how they are recorded."""

    def judge(
        self, unit: UnitOfWork, permit: Permit, before: Callable[[], Policy], after: Policy, sent: SentRequest
    ) -> None:
        """Compare the policy before the acts of `unit` with the one after them.

        Raise `NeedsSecondPerson` if they need a second person, and Invalid if they need a reason.
        """

    def ask(self, unit: UnitOfWork, waits: NeedsSecondPerson) -> Json:
        """Record the request. Return it as the API shows it."""
