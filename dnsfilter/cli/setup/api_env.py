"""Edit api.env: the mail server for notices."""

import re
from urllib.parse import parse_qs, quote

from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.config_file import STATE_DIR
from dnsfilter.errors import ConfigError, Problem

_MAIL = "DNSFILTER_API_NOTICES_MAIL"
_PLAIN = "smtp://"
_SET = re.compile(
    rf"^[ \t]*{_MAIL}=[\"']?(?P<login>smtps?://(?:[^?@\s]*@)?)(?P<host>[^?/\s\"']+)(?P<rest>.*)$", re.MULTILINE
)
_COMMENT = re.compile(rf"^#[ \t]*{_MAIL}=.*$", re.MULTILINE)
NEW = f"""\
DNSFILTER_API_LISTEN=127.0.0.1:8080
DNSFILTER_API_METRICS_LISTEN=127.0.0.1:9154
DNSFILTER_API_STATE_DIR={STATE_DIR}
DNSFILTER_API_DATABASE=sqlite:///{STATE_DIR}/api/dnsfilter.sqlite3
DNSFILTER_API_SNAPSHOT_KEY={STATE_DIR}/api/snapshot-key
DNSFILTER_API_CHECKPOINT_KEY={STATE_DIR}/api/checkpoint-key
"""
"""The settings of the file that the package installs."""


def mail_line(text: str) -> re.Match[str] | None:
    """Return the line that sets the mail server: the last, which systemd uses.

    Its groups are `login`, `host` and `rest`.
    """
    return next(reversed([*_SET.finditer(text)]), None)


def mail_address(line: re.Match[str], key: str) -> str:
    """Return the address `from` or `to` of the line. Empty if it has none."""
    held = parse_qs(str(line["rest"]).rstrip("\"'").partition("?")[2])
    return held.get(key, [""])[0]


def edited_environment(text: str, answers: Answers) -> str:
    """Return the text of the file with the mail server in it. Raise ConfigError if it has another one with a login."""
    if not answers.mail_server:
        return text
    held = mail_line(text)
    login = _PLAIN if held is None else held["login"]
    if held is not None and login != _PLAIN and held["host"] != answers.mail_server:
        message = f"api.env sets {held['host']} with a login or TLS: edit {_MAIL} in api.env"
        raise ConfigError((Problem("--mail-server", message),))
    sender, to = (quote(address, safe="@") for address in (answers.mail_from, answers.contact))
    line = f"{_MAIL}={login}{answers.mail_server}?from={sender}&to={to}"
    found = held or _COMMENT.search(text)
    if found is None:
        return f"{text.rstrip()}\n{line}\n".lstrip()
    return f"{text[: found.start()]}{line}{text[found.end() :]}"
