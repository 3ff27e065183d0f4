"""Fetch the content of a feed, with bounds on time, size, redirects and decompression.

A source is an https URL, or the path of a file below the directory of feeds. A server is asked for the content only if
it changed. Its certificate must be valid, also after a redirect. The address that is connected to must be on the
internet, or in a network that the settings name. No proxy of the environment is used.

The first fetch from a server imports httpx, which takes 5 MB.
"""

import re
import ssl
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from socket import gaierror, socket
from time import monotonic
from typing import TYPE_CHECKING

from api.delivery.connecting import PrivateAddress, connect
from api.feeds.failures import Failure, FetchError
from api.feeds.feed_files import read_file
from dnsfilter import __version__
from dnsfilter.policy.model import Prefix

if TYPE_CHECKING:
    import httpx2

HTTPS = "https://"
CONNECT_S = 10.0
"""Time to connect to an address."""
FETCH_S = 120.0
"""Time for a fetch: connections, redirects and content together."""
MAX_SENT = 32 * 1024 * 1024
"""The most bytes that a server may send."""
MAX_CONTENT = 64 * 1024 * 1024
"""The most bytes of content, after decompression: a million names take some 25 MB."""
MAX_REDIRECTS = 5
MAX_VALIDATOR = 200
"""The most characters of a server's ETag that is kept."""
NETWORKS_SETTING = "DNSFILTER_API_FEED_NETWORKS"

_VALIDATOR = re.compile(rf"[\x20-\x7e]{{1,{MAX_VALIDATOR}}}")
_GZIP = frozenset({"gzip", "x-gzip"})


@dataclass(frozen=True, slots=True)
class Validators:
    """What a source is asked with whether its content changed. Empty: unknown. A file's `etag` is its stamp."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The content of a source, and what to ask with the next time."""

    content: bytes
    validators: Validators


class Fetcher:
    """Fetch feeds. Several threads may use it.

    Servers on the internet and in the networks `private` may be asked. Files must be below `directory`. Content may
    have `most` bytes, else MAX_CONTENT.
    """

    def __init__(self, private: Sequence[Prefix] = (), directory: Path | None = None, most: int | None = None) -> None:
        self._private = private
        self._directory = directory
        self._most = most

    @cached_property
    def _secure(self) -> ssl.SSLContext:
        # Made at the first fetch: loading the machine's CAs takes 20 ms.
        return ssl.create_default_context()

    def fetch(self, source: str, known: Validators) -> Fetched | None:
        """Return the content of a source; None if it has not changed since `known`. Raise FetchError."""
        if source.startswith(HTTPS):
            return self._fetch_url(source, known)
        read = read_file(self._directory, source, known.etag, self._most or MAX_CONTENT)
        return None if read is None else Fetched(read[0], Validators(read[1]))

    def _fetch_url(self, url: str, known: Validators) -> Fetched | None:
        import httpx2

        from api.delivery.timed_transport import TimedTransport

        asked = {
            "Accept": "text/plain, */*",
            "Accept-Encoding": "gzip",
            "User-Agent": f"dnsfilter-api/{__version__}",
            **({"If-None-Match": known.etag} if known.etag else {}),
            **({"If-Modified-Since": known.modified} if known.modified else {}),
        }
        transport = TimedTransport(self._secure, self._connect, monotonic() + FETCH_S)
        with httpx2.Client(transport=transport, trust_env=False) as client:
            client.headers.clear()
            try:
                request = client.build_request("GET", url, headers=asked)
            except (httpx2.InvalidURL, ValueError) as error:
                raise FetchError(
                    Failure.CONNECTION, "the URL cannot be used: write it as a browser shows it"
                ) from error
            for _ in range(MAX_REDIRECTS + 1):
                host = _secure_host(request.url)
                with _failures(host):
                    # httpx would read the content of a redirect without a limit.
                    response = client.send(request, stream=True, follow_redirects=False)
                    try:
                        if response.next_request is None:
                            return _read(response, host, known, self._most or MAX_CONTENT)
                    finally:
                        response.close()
                request = response.next_request
        raise FetchError(
            Failure.REDIRECT, f"{host} redirects more than {MAX_REDIRECTS} times: give the URL of the list itself"
        )

    def _connect(self, host: str, port: int, left_s: float) -> socket:
        return connect(host, port, min(CONNECT_S, left_s), self._private)


def _secure_host(url: "httpx2.URL") -> str:
    """Return the host of a URL that may be asked. Raise FetchError for one without TLS, or with a password."""
    if url.scheme != "https" or not url.host:
        raise FetchError(Failure.REDIRECT, "redirected to a URL that is not https: give the URL of the list itself")
    if url.userinfo:
        raise FetchError(Failure.REDIRECT, f"redirected to {url.host} with a password: give the URL of the list itself")
    return url.host


def _read(response: "httpx2.Response", host: str, known: Validators, most: int) -> Fetched | None:
    """Return the content of an answer; None if it has not changed. Raise FetchError, and errors of the connection."""
    status = response.status_code
    if status == 304 and known != Validators():
        return None
    if status != 200:
        raise FetchError(Failure.STATUS, f"{host} answered {status} instead of the list: check the URL in a browser")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    pieces = _limited(response.iter_raw(), min(MAX_SENT, most), f"{host} sent")
    if encoding in _GZIP:
        pieces = _limited(_inflated(pieces, host), most, f"the list of {host}, decompressed, has")
    elif encoding not in ("", "identity"):
        raise FetchError(Failure.DAMAGED, f"{host} sent an encoding that nobody asked for: ask its operator for gzip")
    content = b"".join(pieces)
    return Fetched(content, Validators(_validator(response, "etag"), _validator(response, "last-modified")))


def _validator(response: "httpx2.Response", name: str) -> str:
    text: str = response.headers.get(name, "")
    return text if _VALIDATOR.fullmatch(text) else ""


def _limited(pieces: Iterable[bytes], limit: int, subject: str) -> Iterator[bytes]:
    """Yield the pieces. Raise FetchError as soon as they are more bytes than the limit."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise FetchError(Failure.SIZE, f"{subject} more than {limit} bytes: choose a smaller list, or split it")
        yield piece


def _inflated(pieces: Iterable[bytes], host: str) -> Iterator[bytes]:
    """Yield gzip data decompressed, a bounded piece at a time: little data can stand for much. Raise FetchError."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            left = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, 64 * 1024)
                left = inflater.unconsumed_tail
    except zlib.error:
        raise _damaged(f"{host} sent broken gzip data") from None
    if not inflater.eof or inflater.unused_data:
        raise _damaged(f"{host} sent gzip data that {'goes on after its' if inflater.eof else 'stops before the'} end")


def _damaged(what: str) -> FetchError:
    return FetchError(Failure.DAMAGED, f"{what}: the next fetch tries again; if it lasts, ask the list's operator")


@contextmanager
def _failures(host: str) -> Iterator[None]:
    """Turn errors of the block, which speaks with the host, into FetchError."""
    import httpcore2
    import httpx2

    try:
        yield
    except PrivateAddress as error:
        raise FetchError(
            Failure.PRIVATE_ADDRESS, f"{host} is at {error}, a private address: name its network in {NETWORKS_SETTING}"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise FetchError(
            Failure.CERTIFICATE,
            f"the certificate of {host} is not valid ({error.verify_message}): if its CA is your own, add it to the "
            "machine's CAs",
        ) from error
    except TimeoutError as error:
        raise FetchError(
            Failure.TIMEOUT, f"{host} did not send the list in {FETCH_S:.0f} s: check its size and the line"
        ) from error
    except gaierror as error:
        raise FetchError(
            Failure.CONNECTION, f"{host} has no address ({error.strerror}): check the URL, and the machine's resolver"
        ) from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FetchError(
            Failure.CONNECTION, f"the connection to {host} failed ({reason}): check the URL, and firewalls on the way"
        ) from error
    except (httpcore2.ProtocolError, httpx2.RemoteProtocolError, httpx2.InvalidURL) as error:
        raise _damaged(f"{host} broke off, or sent what is not HTTP") from error
