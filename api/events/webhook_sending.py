"""Send an event to a webhook: one signed POST, with limits on time and on what is read of the answer."""

import ssl
from functools import cached_property

import httpx

from api.delivery.mail import describe_failure
from dnsfilter import __version__

TIMEOUT_S = 10.0


class NotTaken(Exception):
    """Raised when the receiver did not take an event. The message is the reason, without the receiver's words."""


class WebhookClient:
    """HTTP to the receivers of webhooks. Several threads may use it."""

    @cached_property
    def _http(self) -> httpx.Client:
        # Made at the first event: loading the machine's CAs takes 20 ms. Ignore proxies of the environment, and do not
        # follow redirects: only the named receiver gets events.
        return httpx.Client(
            headers={"User-Agent": f"dnsfilter-api/{__version__}"},
            transport=httpx.HTTPTransport(verify=ssl.create_default_context(), trust_env=False),
            timeout=TIMEOUT_S,
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        if "_http" in vars(self):
            self._http.close()

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Send an event. Return if the receiver answers 2xx. Raise NotTaken for all else."""
        try:
            # The body of the answer is not read.
            with self._http.stream(
                "POST", url, content=body, headers={"Content-Type": "application/json", **headers}
            ) as answer:
                status = answer.status_code
        except httpx.TimeoutException:
            raise NotTaken(f"no answer within {TIMEOUT_S:.0f} s") from None
        except httpx.HTTPError as error:
            raise NotTaken(_reason(error)) from error
        if not 200 <= status < 300:
            raise NotTaken(f"answered {status}")


def _reason(error: BaseException) -> str:
    """Return the system's words for what failed. httpx hides them below two errors of its own."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return describe_failure(found or error)
