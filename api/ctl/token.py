"""The token's file: where it is looked for, what it may hold, who may read it. No message holds the token itself."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.ctl.errors import Denied

VARIABLE = "DNSFILTER_TOKEN_FILE"
DEFAULTS = (Path(".run/admin-token"), Path("admin-token"))
"""Relative to the working directory: where a control plane started there writes it."""
MAX_OCTETS = 1024


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and what is to be said of its file."""

    value: str
    warning: str | None

    def __repr__(self) -> str:
        return f"Token(warning={self.warning!r})"


def load_token(option: str | None, environ: Mapping[str, str]) -> Token:
    """The token of the file that the option names, or the environment, or of the first default; raises Denied."""
    return _load(_choose(option, environ))


def _choose(option: str | None, environ: Mapping[str, str]) -> Path:
    named = option or environ.get(VARIABLE)
    if named:
        return Path(named)
    for candidate in DEFAULTS:
        if os.path.lexists(candidate):
            return candidate
    looked = " and ".join(f"./{candidate}" for candidate in DEFAULTS)
    raise Denied(
        f"no token: {looked} do not exist here; name its file with --token-file or {VARIABLE}, "
        "or go to the directory in which the control plane was started"
    )


def _load(path: Path) -> Token:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise Denied(f"cannot read the token's file {path}: {error.strerror}") from error
    value = data.strip().decode("latin-1")
    # What a header can carry, RFC 6750 section 2.1; a longer file is no token's.
    if not value or len(data) > MAX_OCTETS or not all("!" <= mark <= "~" for mark in value):
        raise Denied(f"the file {path} holds no token: one line of printable characters is expected")
    return Token(value, _warning(path, mode))


def _warning(path: Path, mode: int) -> str | None:
    """A pipe, as `<(pass show dnsfilter)` makes, is nobody else's to read."""
    others = mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISREG(mode) or not others:
        return None
    return f"the token's file {path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
