"""Settings from a file of variables, read as systemd reads `EnvironmentFile=` (systemd.exec(5))."""

import re
from collections.abc import Mapping
from pathlib import Path

from api.settings import DEFAULTS, PREFIX
from dnsfilter.errors import ConfigError, Problem

PACKAGED = Path("/etc/dnsfilter/api.env")
"""The file that the systemd unit reads."""
MAX_BYTES = 65_536
_STATE_DIR = f"{PREFIX}STATE_DIR"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(r"[ \t]*(?:[#;][^\r\n]*|([^\r\n]?[^=\r\n]*)(=?))")
_QUOTED = re.compile(r"""[ \t]*(?:'([^']*)(?:'|\Z)|"((?:[^"\\]|\\.|\\\Z)*)(?:"|\Z))""", re.DOTALL)
_PLAIN = re.compile(r"[ \t]*((?:[^\\\r\n]|\\.|\\\Z)*?)[ \t]*(?=[\r\n]|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.|\Z)", re.DOTALL)


def read_environment(
    environ: Mapping[str, str], state_dir: str | None = None, file: Path | None = None
) -> dict[str, str]:
    """Return `environ` completed from a file of variables. Raise ConfigError if that cannot be read.

    Without `file`, use the packaged one, unless `environ` has settings or that file names another state directory than
    `state_dir`.
    """
    if file is not None:
        return {**_load(file), **environ}
    if any(name.startswith(PREFIX) for name in environ):
        return dict(environ)
    try:
        held = _load(PACKAGED)
    except ConfigError:
        # With another state directory, the packaged file is not needed, so it may be unreadable.
        if state_dir is None:
            raise
        return dict(environ)
    is_other = state_dir is not None and _path(state_dir) != _path(held.get(_STATE_DIR) or DEFAULTS["state_dir"])
    return dict(environ) if is_other else {**held, **environ}


def _load(file: Path) -> dict[str, str]:
    """Return the variables of a file. Return none if the packaged file does not exist."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if file == PACKAGED:
            return {}
        raise ConfigError((Problem("--env-file", f"file {file} does not exist"),)) from error
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}; run the command as root, or name another file"
        raise ConfigError((Problem("--env-file", message),)) from error
    if len(content) > MAX_BYTES:
        raise ConfigError((Problem("--env-file", f"{file} has more than {MAX_BYTES} bytes"),))
    try:
        return parse_environment(content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError((Problem("--env-file", f"{file} is not UTF-8 text"),)) from error


def _path(text: str) -> Path:
    return Path(text).absolute()


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables that systemd sets for such a file. Ignore lines that assign nothing."""
    found, offset = {}, 0
    while offset < len(text) and (line := _LINE.match(text, offset)) is not None:
        name, equals = line.groups()
        offset = line.end()
        if equals:
            value, offset = _value(text, offset)
            if _NAME.fullmatch(name := name.rstrip(" \t")):
                found[name] = value
        offset += 1  # the end of the line
    return found


def _value(text: str, offset: int) -> tuple[str, int]:
    """Return the value that begins at `offset`, and the end of its line: quoted parts, then perhaps a plain one."""
    made = ""
    while (quoted := _QUOTED.match(text, offset)) is not None:
        single, double = quoted.groups()
        made += _ESCAPE.sub(_in_quotes, double) if single is None else single
        offset = quoted.end()
    plain = _PLAIN.match(text, offset)
    if plain is None:  # cannot happen: the pattern matches anywhere
        raise ValueError(f"no value at {offset}")
    return made + _ESCAPE.sub(_outside_quotes, plain[1]), plain.end()


def _in_quotes(escape: re.Match[str]) -> str:
    return "" if escape[1] == "\n" else escape[1] if escape[1] in '"\\`$' else escape[0]


def _outside_quotes(escape: re.Match[str]) -> str:
    return escape[1].strip("\r\n")
