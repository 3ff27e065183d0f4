"""Log when learning mode begins and ends."""

import logging

from dnsfilter.config.node_config import Clients
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Instant
from dnsfilter.telemetry import logs

_LOG = logging.getLogger("dnsfilter.node")


class LearningLog:
    """Logs once per change."""

    def __init__(self) -> None:
        self._logged: Instant | None = None

    def look(self, clients: Clients, now: Instant) -> Instant | None:
        """Return when learning mode ends, None if it is off. Log a change since the last call."""
        until = clients.learns_until(now)
        if until != self._logged:
            self._logged = until
            if until is None:
                logs.emit(_LOG, logging.WARNING, "learning mode ended")
            else:
                prefixes = ", ".join(map(str, clients.allowed))
                logs.emit(
                    _LOG,
                    logging.WARNING,
                    "learning mode, unregistered clients are answered",
                    until=at_words(until),
                    prefixes=prefixes,
                )
        return until
