"""The text of a configuration or policy file, without what reads its tables."""

from pathlib import Path

from dnsfilter.errors import ConfigError, Problem

MAX_CONFIG_BYTES = 4 << 20
MAX_POLICY_BYTES = 16 << 20


def load_text(path: Path, max_bytes: int) -> str:
    """Return the text of a file. Raise ConfigError if it is unreadable, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {(error.strerror or str(error)).lower()}"),)) from error
    if len(content) > max_bytes:
        raise ConfigError((Problem(str(path), f"is larger than {max_bytes} bytes"),))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem(f"{path}:{line}", "is not UTF-8 text"),)) from error
