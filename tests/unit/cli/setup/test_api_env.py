"""api.env gets the mail server in place of the line that the package comments out."""

from dataclasses import replace
from pathlib import Path

import pytest

from api.installation.environment import parse_environment
from api.settings import parse_settings
from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.api_env import NEW, edited_environment, mail_address, mail_line
from dnsfilter.errors import ConfigError

PACKAGED = (Path(__file__).parents[4] / "deploy/systemd/api.env").read_text()
MAIL = Answers(mail_server="192.0.2.25:587", mail_from="dns+x@ghent.example", contact="ict@ghent.example")


def test_a_new_file_has_the_settings_of_the_package() -> None:
    assert parse_environment(NEW) == parse_environment(PACKAGED)


def test_the_mail_server_is_set_once_and_nothing_else_changes() -> None:
    assert edited_environment(PACKAGED, Answers()) == PACKAGED
    found = edited_environment(PACKAGED, MAIL)
    changed = [line for line in found.splitlines() if line not in PACKAGED.splitlines()]
    assert len(changed) == 1
    assert len(found.splitlines()) == len(PACKAGED.splitlines())
    assert edited_environment(found, MAIL) == found
    held = mail_line(found)
    assert held is not None
    assert [mail_address(held, key) for key in ("from", "to", "cc")] == ["dns+x@ghent.example", "ict@ghent.example", ""]
    other = edited_environment(found, replace(MAIL, mail_server="192.0.2.26"))
    assert "192.0.2.25" not in other.replace("192.0.2.25?from=dns@example.org&to=records", "")
    settings = parse_settings({}, parse_environment(edited_environment(NEW, MAIL)))
    assert settings.notices_mail is not None
    assert settings.notices_mail.sender == "dns+x@ghent.example"


LOGIN = """\
#DNSFILTER_API_NOTICES_MAIL=smtp://a?x
DNSFILTER_API_NOTICES_MAIL=smtp://a?x
DNSFILTER_API_NOTICES_MAIL=smtps://u:w@192.0.2.25:587?from=a&to=b
"""


def test_the_last_line_that_counts_keeps_its_login_and_another_server_is_refused() -> None:
    last = edited_environment(LOGIN, MAIL).splitlines()
    assert last[:2] == LOGIN.splitlines()[:2]
    assert last[2].endswith("=smtps://u:w@192.0.2.25:587?from=dns%2Bx@ghent.example&to=ict@ghent.example")
    with pytest.raises(ConfigError, match="edit DNSFILTER_API_NOTICES_MAIL") as raised:
        edited_environment(LOGIN, replace(MAIL, mail_server="192.0.2.26"))
    assert "u:w" not in str(raised.value)
