"""Find, check and store the file that holds the token. No message contains the token itself."""

import getpass
import os
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, urlsplit

from api.ctl.exit_codes import Denied, WrongInput
from api.ctl.input_files import SECRET, write_atomically

VARIABLE = "DNSFILTER_TOKEN_FILE"
DEFAULTS = (Path(".run/admin-token"), Path("admin-token"))
"""Files relative to the working directory, to which a control plane started there writes its token."""
INSTALLED = Path("/var/lib/dnsfilter/admin-token")
"""The token that the installed control plane of this machine writes, for root and its own user."""
DEFAULT_URL = "http://127.0.0.1:8080"
MAX_BYTES = 1024
_RENEWAL = "dnsfilter-api new-token --keep"
"""The command that replaces a lost token of the installation. All others stay valid."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, its source, and a warning about that source. `path` is its file, if it comes from one."""

    value: str = field(repr=False)
    source: str
    warning: str | None
    path: Path | None = None

    @property
    def remedy(self) -> str:
        """What to do if the control plane does not accept the token."""
        if self.path is None or self.path.name != INSTALLED.name:
            return "Type `dnsfilterctl login` to store another."
        where = "" if self.path == INSTALLED else f" --state-dir {shlex.quote(str(self.path.parent))}"
        return f"If it is the installation's own, `{_RENEWAL}{where}` on its machine writes another."


def load_token(option: str | None, environ: Mapping[str, str], url: str) -> Token:
    """Return the token for the API at `url`. Raise Denied.

    Read the file that the option names, else the environment, else the one that `login` stored, else the first default.
    For the installed control plane of this machine, the last one is the token that it wrote.
    """
    return _load(_choose(option, environ, url))


def ask_token(option: str | None) -> Token:
    """Return a token for `login`. Raise Denied.

    Read the file that the option names. Else ask on a terminal without echo, or read standard input.
    """
    if option is not None:
        return _load(Path(option))
    if not sys.stdin.isatty():
        return _parse(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    try:
        typed = getpass.getpass("token: ")
    except EOFError as error:
        raise Denied("no token was typed") from error
    return _parse(typed.encode(errors="replace"), "the input")


def stored_path(environ: Mapping[str, str], url: str) -> Path | None:
    """Return the file in which `login` stores the token for the API at `url`; None without a home directory.

    Each control plane has its own file, so that no token goes to another one. A relative XDG_CONFIG_HOME is ignored
    (XDG Base Directory Specification).
    """
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.config"
    return Path(base) / "dnsfilter" / "tokens" / quote(url, safe="")


def store_token(path: Path, value: str) -> None:
    """Write a token to a file that only its owner can read. Raise WrongInput."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(f"cannot create {path.parent}: {error.strerror}") from error
    with write_atomically(path, SECRET) as file:
        file.write(f"{value}\n".encode())


def exposure_warning(url: str) -> str | None:
    """Return a warning if the token would leave the machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in ("https", "unix") or host == "localhost":
        return None
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return None if loopback else f"the token goes to {url} unencrypted. Use https."


def _choose(option: str | None, environ: Mapping[str, str], url: str) -> Path:
    named = option or environ.get(VARIABLE)
    if named:
        return Path(named)
    kept = stored_path(environ, url)
    for candidate in (*([kept] if kept is not None else []), *DEFAULTS):
        if os.path.lexists(candidate):
            return candidate
    if url == DEFAULT_URL and os.access(INSTALLED, os.R_OK):
        return INSTALLED
    if url == DEFAULT_URL and INSTALLED.parent.is_dir():
        raise Denied(_without_installed())
    searched = " and ".join(f"./{candidate}" for candidate in DEFAULTS)
    raise Denied(
        f"no token: {searched} do not exist here. Name its file with --token-file or {VARIABLE}, "
        "store one with `dnsfilterctl login`, or go to the directory in which the control plane was started."
    )


def _without_installed() -> str:
    """Return why there is no token on the machine of an installed control plane, and what to do."""
    own = f"Or name the file of your own token with --token-file or {VARIABLE}, or store one with `dnsfilterctl login`."
    if os.access(INSTALLED.parent, os.R_OK | os.X_OK):
        return f"no token: {INSTALLED} does not exist. If it is lost, type as root: {_RENEWAL}. {own}"
    return f"no token: only root can read {INSTALLED}. Type the command as root. {own}"


def _load(path: Path) -> Token:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        if path == INSTALLED and isinstance(error, FileNotFoundError | PermissionError):
            raise Denied(_without_installed()) from error
        raise Denied(f"cannot read the token file {path}: {error.strerror}") from error
    return _parse(data, f"the file {path}", _warning(path, mode), path)


def _parse(data: bytes, source: str, warning: str | None = None, path: Path | None = None) -> Token:
    value = data.strip().decode("latin-1")
    # A header can carry visible ASCII characters, RFC 6750 section 2.1. A longer file holds no token.
    if not value or len(data) > MAX_BYTES or not all("!" <= mark <= "~" for mark in value):
        raise Denied(f"{source} holds no token. It must be one line of printable ASCII characters.")
    return Token(value, source, warning, path)


def _warning(path: Path, mode: int) -> str | None:
    """Return a warning if others can read a regular file. A pipe such as `<(pass show dnsfilter)` needs none."""
    others = mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISREG(mode) or not others:
        return None
    return f"others can read the token file {path} (mode {stat.S_IMODE(mode):04o}). Type: chmod 600 {path}"
