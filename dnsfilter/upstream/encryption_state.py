"""Whether an encrypted server can be reached, until when it rests, and the session to resume."""

import logging
import ssl
from typing import Final

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry import logs

FIRST_REST_S: Final = 0.25
LONGEST_REST_S: Final = 10.0
_LOG: Final = logging.getLogger("dnsfilter.upstream")


class EncryptionState:
    """The state of one server, whose name in the log is `name`. Times are seconds of any clock that runs on.

    A connection that fails lets the server rest, each time twice as long, until an answer arrives.
    """

    def __init__(self, name: str) -> None:
        self.reason = ""
        """Why the last connection failed; empty since the last answer."""
        self.failure: type[UnavailableError] = UnavailableError
        self.session: ssl.SSLSession | None = None
        self._name = name
        self._rest_s = 0.0
        self._rests_until_s = 0.0

    @property
    def fails(self) -> bool:
        """Whether a connection has failed since the last answer."""
        return bool(self.reason)

    def rests(self, now_s: float) -> bool:
        """Return whether no connection should be tried at `now_s`."""
        return self.fails and now_s < self._rests_until_s

    def failed(self, reason: str, failure: type[UnavailableError], now_s: float) -> None:
        """Note a connection that failed. Log the reason if it is another one than before."""
        if reason != self.reason:
            logs.emit(_LOG, logging.WARNING, "encrypted upstream fails", upstream=self._name, reason=reason)
        self.reason, self.failure, self.session = reason, failure, None
        self._rest_s = min(2 * self._rest_s or FIRST_REST_S, LONGEST_REST_S)
        self._rests_until_s = now_s + self._rest_s

    def answers(self, session: ssl.SSLSession | None) -> None:
        """Note the first answer on a connection, and keep its session."""
        if self.fails:
            logs.emit(_LOG, logging.INFO, "encrypted upstream answers again", upstream=self._name)
        self.reason, self._rest_s, self.session = "", 0.0, session
