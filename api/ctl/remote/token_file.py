"""The token's file: where it is looked for, what it may hold, who may read it. No message holds the token itself."""

import getpass
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, urlsplit

from api.ctl.exit_codes import Denied, WrongInput
from api.ctl.input_files import SECRET, writing

VARIABLE = "DNSFILTER_TOKEN_FILE"
DEFAULTS = (Path(".run/admin-token"), Path("admin-token"))
"""Relative to the working directory: where a control plane started there writes it."""
MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Token:
    """A token, where it is from, and what is to be said of that."""

    value: str = field(repr=False)
    source: str
    warning: str | None


def load_token(option: str | None, environ: Mapping[str, str], url: str) -> Token:
    """The token for the API at `url`: of the file that the option names, or the environment; or the one that `login`
    keeps; or of the first default. Raises Denied.
    """
    return _load(_choose(option, environ, url))


def ask_token(option: str | None) -> Token:
    """A token for `login`: of the file that the option names, else asked for without echo, else of standard input.

    Raises Denied.
    """
    if option is not None:
        return _load(Path(option))
    if not sys.stdin.isatty():
        return _parse(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    try:
        typed = getpass.getpass("token: ")
    except EOFError as error:
        raise Denied("no token was typed") from error
    return _parse(typed.encode(errors="replace"), "what was typed")


def kept_path(environ: Mapping[str, str], url: str) -> Path | None:
    """Where `login` keeps the token for the API at `url`; None where the environment knows no home.

    One file for each control plane, so that none is sent another's token. A relative XDG_CONFIG_HOME is not looked at
    (XDG Base Directory Specification).
    """
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.config"
    return Path(base) / "dnsfilter" / "tokens" / quote(url, safe="")


def keep(path: Path, value: str) -> None:
    """Write a token into a file that its owner alone reads; raises WrongInput."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(f"cannot make {path.parent}: {error.strerror}") from error
    with writing(path, SECRET) as file:
        file.write(f"{value}\n".encode())


def exposure(url: str) -> str | None:
    """What is to be said of a token that leaves the machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in ("https", "unix") or host == "localhost":
        return None
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return None if loopback else f"the token goes to {url} unencrypted: use https"


def _choose(option: str | None, environ: Mapping[str, str], url: str) -> Path:
    named = option or environ.get(VARIABLE)
    if named:
        return Path(named)
    kept = kept_path(environ, url)
    for candidate in (*([kept] if kept is not None else []), *DEFAULTS):
        if os.path.lexists(candidate):
            return candidate
    looked = " and ".join(f"./{candidate}" for candidate in DEFAULTS)
    raise Denied(
        f"no token: {looked} do not exist here; name its file with --token-file or {VARIABLE}, "
        "keep one with `dnsfilterctl login`, or go to the directory in which the control plane was started"
    )


def _load(path: Path) -> Token:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Denied(f"cannot read the token's file {path}: {error.strerror}") from error
    return _parse(data, f"the file {path}", _warning(path, mode))


def _parse(data: bytes, source: str, warning: str | None = None) -> Token:
    value = data.strip().decode("latin-1")
    # What a header can carry, RFC 6750 section 2.1; a longer file is no token's.
    if not value or len(data) > MAX_BYTES or not all("!" <= mark <= "~" for mark in value):
        raise Denied(f"{source} holds no token: one line of printable characters is expected")
    return Token(value, source, warning)


def _warning(path: Path, mode: int) -> str | None:
    """A pipe, as `<(pass show dnsfilter)` makes, is nobody else's to read."""
    others = mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISREG(mode) or not others:
        return None
    return f"the token's file {path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
