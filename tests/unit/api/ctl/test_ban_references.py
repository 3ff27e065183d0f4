"""A ban is named by AUTHORITY/SERVICE or by AUTHORITY SERVICE in every command, with the same result."""

import argparse
import contextlib
import io
from itertools import pairwise

import pytest

from api.ctl.ban_references import reference
from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every


def _parsed(*words: str) -> dict[str, object]:
    return {key: value for key, value in vars(make_parser().parse_args(words)).items() if key != "command"}


@pytest.mark.parametrize(
    "command",
    [
        "ban show {}",
        "ban adopt {} --provisional",
        "ban set {} --mode off",
        "ban set --mode off {}",
        "ban set --json {} --mode off",
        "ban renew {} --reference 2",
        "ban end {} --reason annulled",
        "ban remove {}",
        "ban report {} --from 2026-01-01 --to 2026-02-01",
        "ban list --follows {} --state off",
        "ban adopt mechelen tiktok --following {}",
        "ban adopt --follows {} mechelen/tiktok",
        "exemption ask {} 192.0.2.0/28 198.51.100.0/24 --reason promotion",
        "exemption ask --reason promotion {} 192.0.2.0/28",
        "exemption list --ban {}",
        "binding add mechelen {} --ground law --instrument 7 --date 2026-01-01",
        "binding list --ban {}",
    ],
)
def test_two_words_name_the_same_ban_as_one(command: str) -> None:
    one, two = (_parsed(*command.format(ban).split()) for ban in ("ghent/tiktok", "ghent tiktok"))
    assert one == two
    assert "ghent/tiktok" in one.values()


def test_an_own_service_is_named_with_its_authority() -> None:
    assert _parsed("ban", "show", "mechelen", "ghent:games")["ban"] == "mechelen/ghent:games"
    assert _parsed("ban", "show", "mechelen/ghent:games")["ban"] == "mechelen/ghent:games"


def test_the_words_may_stand_apart() -> None:
    assert _parsed("ban", "set", "ghent", "--mode", "off", "tiktok")["ban"] == "ghent/tiktok"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ban show ghent", "'ghent' is not a ban. Write AUTHORITY/SERVICE or AUTHORITY SERVICE, for example"),
        ("ban show ghent TikTok", "'ghent/TikTok' is not a ban"),
        ("exemption ask ghent 192.0.2.0/28 --reason promotion", "'ghent' is not a ban"),
        ("ban list --follows ghent --state off", "'ghent' is not a ban"),
        ("ban show", "the following arguments are required: AUTHORITY/SERVICE"),
        ("ban show ghent/tiktok capcut", "unrecognized arguments: capcut"),
        ("ban list --follows", "expected one argument"),
    ],
)
def test_other_words_name_no_ban(words: str, message: str) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as found:
        _parsed(*words.split())
    assert (found.value.code, message in said.getvalue()) == (2, True)


def test_no_command_reads_a_ban_in_another_way() -> None:
    for parser in every(make_parser()):
        positional = [action for action in parser._actions if not action.option_strings]
        bans = [action for action in parser._actions if str(action.metavar) == "AUTHORITY/SERVICE"]
        assert all(action.type is reference for action in bans), parser.prog
        assert not any(_is_pair(*pair) for pair in pairwise(positional)), parser.prog


def _is_pair(first: argparse.Action, second: argparse.Action) -> bool:
    return (first.metavar, second.metavar) == ("AUTHORITY", "SERVICE")
