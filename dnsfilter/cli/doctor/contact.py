"""Ask the control plane once, as the node does: what it answers, its clock, its certificate."""

import ssl
import time
from contextlib import nullcontext
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from dnsfilter import __version__
from dnsfilter.config.node_config import Config, ControlPlane
from dnsfilter.control.http_client import Answer, date_of, reason_text, refusal, trust_of
from dnsfilter.control.identity import Identity, load_identity
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.local.private_files import acting_as, owner_below
from dnsfilter.snapshot.layout import MAX_MANIFEST_BYTES
from dnsfilter.snapshot.manifest import parse_manifest

CONTACT_S = 5.0
_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module does not name."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The control plane's answer to a node. A value is None if it is not known.

    `trouble` is why there is no answer; `untrusted`, whether that is its certificate. `status` and `detail` answer the
    node's token. `version` is the published epoch and revision. `clock_ahead_s` is how far its clock is ahead of ours,
    `ends_s` when its certificate ends. `unread` is why the node's identity could not be read, without which nothing was
    asked.
    """

    url: str
    enrolled: bool = False
    trouble: str = ""
    untrusted: bool = False
    status: int | None = None
    detail: str = ""
    version: tuple[int, int] | None = None
    clock_ahead_s: float | None = None
    ends_s: float | None = None
    unread: str = ""


def contact(config: Config) -> Contact | None:
    """Return the answer of the node's control plane. None if it has none."""
    control = config.control_plane
    if control.url is None:
        return None
    try:
        # Root reads as the node's user, so that no link in that user's directory leads to files of others.
        owner = owner_below(config.state_dir, config.node_dir)
        with nullcontext() if owner is None else acting_as(owner):
            identity = load_identity(config.node_dir)
    except UnavailableError as error:
        return Contact(control.url, unread=str(error))
    return ask_control_plane(control, control.url, identity)


def ask_control_plane(control: ControlPlane, url: str, identity: Identity | None) -> Contact:
    """Ask for the published snapshot with the node's token; without one, only whether the API is alive."""
    path = "/healthz" if identity is None else "/v1/nodes/self/snapshot?wait=0"
    headers = {"User-Agent": f"dnsfilter/{__version__}"}
    if identity is not None:
        headers["Authorization"] = f"Bearer {identity.token}"
    enrolled = identity is not None
    try:
        connection = _connection(url, control)
    except UnavailableError as error:
        return Contact(url, enrolled, trouble=str(error))
    try:
        connection.connect()
        ends_s = _certificate_end(connection)
        connection.request("GET", urlsplit(url).path.rstrip("/") + path, headers=headers)
        response = connection.getresponse()
        now_s = time.time()
        body = response.read(MAX_MANIFEST_BYTES + 1)
    except (OSError, HTTPException) as error:
        ends_s = _overdue_end(url, control) if _is_overdue(error) else None
        trouble, untrusted = reason_text(error), isinstance(error, ssl.SSLError)
        return Contact(url, enrolled, trouble=trouble, untrusted=untrusted, ends_s=ends_s)
    finally:
        connection.close()
    ahead_s = date_of(response.getheader("Date"))
    return Contact(
        url,
        enrolled,
        status=response.status,
        detail=refusal(Answer(response.status, None, body)),
        version=_version(body) if enrolled and response.status == 200 else None,
        clock_ahead_s=None if ahead_s is None else ahead_s - now_s,
        ends_s=ends_s,
    )


def _connection(url: str, control: ControlPlane, *, at_any_time: bool = False) -> HTTPConnection:
    """Return a connection to be opened. `at_any_time` trusts certificates also before and after their time."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return HTTPConnection(host, port, timeout=CONTACT_S)
    context = trust_of(control)
    if at_any_time:
        context.verify_flags |= _NO_CHECK_TIME
    return HTTPSConnection(host, port, timeout=CONTACT_S, context=context)


def _certificate_end(connection: HTTPConnection) -> float | None:
    if not isinstance(connection.sock, ssl.SSLSocket):
        return None
    ends = (connection.sock.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None


def _is_overdue(error: Exception) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _EXPIRED


def _overdue_end(url: str, control: ControlPlane) -> float | None:
    """Return when the certificate ended that is trusted except for its time. Ask nothing over that connection."""
    connection = _connection(url, control, at_any_time=True)
    try:
        connection.connect()
        return _certificate_end(connection)
    except OSError:
        return None
    finally:
        connection.close()


def _version(body: bytes) -> tuple[int, int] | None:
    try:
        return parse_manifest(body).version
    except SnapshotError:
        return None
