"""api.env gets the mail server in place of the line that the package comments out."""

from dataclasses import replace
from pathlib import Path

from api.installation.variables import parse_environment
from api.settings import parse_settings
from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.api_env import NEW, edited_environment

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
    other = edited_environment(found, replace(MAIL, mail_server="192.0.2.26"))
    assert "192.0.2.25" not in other.replace("192.0.2.25?from=dns@example.org&to=records", "")
    settings = parse_settings({}, parse_environment(edited_environment(NEW, MAIL)))
    assert settings.notices_mail is not None
    assert settings.notices_mail.sender == "dns+x@ghent.example"
