"""Edit api.env: the mail server for notices."""

import re
from urllib.parse import quote

from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.config_file import STATE_DIR

_MAIL = "DNSFILTER_API_NOTICES_MAIL"
_LINE = re.compile(rf"^#?[ \t]*{_MAIL}=.*$", re.MULTILINE)
NEW = f"""\
DNSFILTER_API_LISTEN=127.0.0.1:8080
DNSFILTER_API_METRICS_LISTEN=127.0.0.1:9154
DNSFILTER_API_STATE_DIR={STATE_DIR}
DNSFILTER_API_DATABASE=sqlite:///{STATE_DIR}/api/dnsfilter.sqlite3
DNSFILTER_API_SNAPSHOT_KEY={STATE_DIR}/api/snapshot-key
DNSFILTER_API_CHECKPOINT_KEY={STATE_DIR}/api/checkpoint-key
"""
"""The settings of the file that the package installs."""


def edited_environment(text: str, answers: Answers) -> str:
    """Return the text of the file with the mail server in it."""
    if not answers.mail_server:
        return text
    sender, to = (quote(address, safe="@") for address in (answers.mail_from, answers.contact))
    line = f"{_MAIL}=smtp://{answers.mail_server}?from={sender}&to={to}"
    changed, count = _LINE.subn(lambda _: line, text, count=1)
    return changed if count else f"{text.rstrip()}\n{line}\n".lstrip()
