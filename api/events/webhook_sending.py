"""Send an event to a webhook: one signed POST, with limits on time and on what is read of the answer."""

import ssl
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from api.delivery.mail import describe_failure
from dnsfilter import __version__

TIMEOUT_S = 10.0


class NotTaken(Exception):
    """Raised when the receiver did not take an event. The message is the reason, without the receiver's words."""


class WebhookClient:
    """HTTP to the receivers of webhooks. Several threads may use it.

    It uses no proxy of the environment and follows no redirect: only the named receiver gets events.
    """

    @cached_property
    def _secure(self) -> ssl.SSLContext:
        # Made at the first event: loading the machine's CAs takes 20 ms.
        return ssl.create_default_context()

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Send an event. Return if the receiver answers 2xx. Raise NotTaken for all else."""
        try:
            status = self._status(url, body, headers)
        except TimeoutError:
            raise NotTaken(f"no answer within {TIMEOUT_S:.0f} s") from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise NotTaken(describe_failure(error)) from error
        if not 200 <= status < 300:
            raise NotTaken(f"answered {status}")

    def _status(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        where = urlsplit(url)
        target = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
        connection = (
            HTTPSConnection(where.hostname or "", where.port, timeout=TIMEOUT_S, context=self._secure)
            if where.scheme == "https"
            else HTTPConnection(where.hostname or "", where.port, timeout=TIMEOUT_S)
        )
        try:
            own = {"Content-Type": "application/json", "User-Agent": f"dnsfilter-api/{__version__}"}
            connection.request("POST", target, body, {**own, **headers})
            # The body of the answer is not read.
            return connection.getresponse().status
        finally:
            connection.close()
