"""Enrol a node at its control plane: exchange a one-time token for an identity, and keep it."""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from dnsfilter import __version__
from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control.http_client import ControlClient, refusal
from dnsfilter.control.identity import IDENTITY, Identity, TokenRefused, parse_identity
from dnsfilter.disk import sync_directory
from dnsfilter.errors import UnavailableError

PATH = "/v1/nodes/enrol"


def enrol(control: ControlPlane, token: str, directory: Path, *, allow_plain: bool = False) -> Identity:
    """Send the one-time token to the control plane and store the identity from its answer in an atomic write.

    This replaces the identity of an earlier enrolment. Raise UnavailableError if the token is refused, if site or key
    differ from the configured ones, or if the file cannot be written. The file is opened before the token is used.
    Also raise it if the connection is neither encrypted nor local: whoever can change the answer could pin their own
    key. `allow_plain` permits that, for a connection that is encrypted by other means.
    """
    temporary = directory / f".{IDENTITY}.new"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file, ControlClient(control) as client:
            if not client.is_private and not allow_plain:
                raise UnavailableError(
                    f"enrol at {control.url}: plain HTTP to another machine exposes the token and the key: use https, "
                    "or dnsfilter enrol --allow-plain if the connection is encrypted by other means"
                )
            identity = _ask(client, control, token)
            if control.key is not None and identity.key != control.key:
                raise UnavailableError(
                    f"enrol at {control.url}: its snapshots are signed with key {identity.key}, not {control.key}: "
                    "find out who answers there, and get another token"
                )
            file.write(json.dumps(asdict(identity), indent=1, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        temporary.replace(directory / IDENTITY)
        sync_directory(directory)
    except OSError as error:
        raise UnavailableError(f"write {directory / IDENTITY}: {(error.strerror or str(error)).lower()}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return identity


def _ask(client: ControlClient, control: ControlPlane, token: str) -> Identity:
    body = json.dumps({"version": __version__}).encode()
    answer = client.ask("POST", PATH, token, headers={"Content-Type": "application/json"}, body=body)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise TokenRefused(
            f"enrol at {control.url}: it refuses this token; each is valid once, within a day: get another token"
        )
    if answer.status != HTTPStatus.CREATED:
        raise UnavailableError(f"enrol at {control.url}: it answers with {refusal(answer)}")
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    identity = parse_identity({**value, "url": control.url} if isinstance(value, dict) else None)
    if identity is None:
        raise UnavailableError(f"enrol at {control.url}: its answer is not an identity; check control_plane.url")
    if identity.site != control.site:
        raise UnavailableError(
            f"enrol at {control.url}: {identity.name} is registered at site {identity.site}, and this node is "
            f"configured for {control.site}: set control_plane.site, and get another token"
        )
    return identity
