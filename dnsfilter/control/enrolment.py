"""A node becomes known to its control plane: a one-time token is given for an identity, which is kept."""

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
from dnsfilter.errors import UnavailableError
from dnsfilter.snapshot.stored.disk import sync_directory

PATH = "/v1/nodes/enrol"


def enrol(control: ControlPlane, token: str, directory: Path, *, allow_plain: bool = False) -> Identity:
    """Take the one-time token to the control plane and keep what it gives, whole or not at all.

    Who enrolled before is somebody else from then on. Raises UnavailableError where the token is not taken, where site
    or key are not the configured ones, and where the file cannot be written, which is tried before the token is spent.
    Where others can hear it, nothing is asked: whoever can change what comes back would have their own key pinned.
    `allow_plain` is for a way that something else ciphers.
    """
    beside = directory / f".{IDENTITY}.new"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file, ControlClient(control) as client:
            if not client.is_private and not allow_plain:
                raise UnavailableError(
                    f"enrol at {control.url}: others on the way could take the token, and have this node pin a key of "
                    "theirs: use https, or enrol by hand with --allow-plain where something else ciphers the way"
                )
            identity = _ask(client, control, token)
            if control.key is not None and identity.key != control.key:
                raise UnavailableError(
                    f"enrol at {control.url}: its snapshots are signed under {identity.key}, not under {control.key}: "
                    "find out who answers there, and get another token"
                )
            file.write(json.dumps(asdict(identity), indent=1, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        beside.replace(directory / IDENTITY)
        sync_directory(directory)
    except OSError as error:
        raise UnavailableError(f"write {directory / IDENTITY}: {(error.strerror or str(error)).lower()}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return identity


def _ask(client: ControlClient, control: ControlPlane, token: str) -> Identity:
    body = json.dumps({"version": __version__}).encode()
    answer = client.ask("POST", PATH, token, headers={"Content-Type": "application/json"}, body=body)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise TokenRefused(f"enrol at {control.url}: it does not take this token; each is taken once, within a day")
    if answer.status != HTTPStatus.CREATED:
        raise UnavailableError(f"enrol at {control.url}: it answers with {refusal(answer)}")
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    identity = parse_identity({**value, "url": control.url} if isinstance(value, dict) else None)
    if identity is None:
        raise UnavailableError(f"enrol at {control.url}: its answer is no identity")
    if identity.site != control.site:
        raise UnavailableError(
            f"enrol at {control.url}: {identity.name} is registered at site {identity.site}, and this node is "
            f"configured for {control.site}: set control_plane.site, and get another token"
        )
    return identity
