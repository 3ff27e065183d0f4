"""Faults name the command's own options and files, and say what to write."""

import socket
from pathlib import Path

import pytest

from api.ctl.operation import status
from api.ctl.parser import make_parser
from api.ctl.remote.fault_locations import location_translator
from tests.unit.api.ctl.conftest import EXAMPLE, Ctl, Served

REASON = ("--reason", "because of that")
DECISION = ("--legal-basis", "decree", "--reference", "2026/1")
ADOPT = ("ban", "adopt", "diest", "facebook", *DECISION)
ASK = ("exemption", "ask", "ghent/tiktok", "127.0.5.0/24", *REASON)
FAULTS = (
    ((*ADOPT, "--until", "31/12/2026"), "--until: '31/12/2026' is not a date or time: write for example 2026-09-30"),
    ((*ADOPT, "--start", "1/12/2026"), "--start: '1/12/2026' is not a date or time"),
    ((*ADOPT, "--for", "halfjaar"), "--for: 'halfjaar' is not a span of time"),
    ((*ADOPT, "--for", "1 year", "--link", "www.example.org"), "--link: is not a link"),
    ((*ADOPT, "--until", "2020-01-01"), "the term ends before it starts"),
    ((*ADOPT,), "a ban needs a term"),
    (("ban", "adopt", "diest", "facebook", "--for", "1 year"), "--legal-basis: a ban needs a legal basis: "),
    (
        ("ban", "adopt", "ghent", "tiktok", *DECISION, "--for", "6 months"),
        "dnsfilterctl: ghent already has a ban on tiktok (ban 8), and ",
    ),
    (
        ("ban", "adopt", "ghent", "tiktok", *DECISION, "--start", "2027-01-01", "--for", "6 months"),
        "dnsfilterctl: ghent already has a ban on tiktok (ban 8), and ",
    ),
    (
        ("ban", "adopt", "ghent", "tiktok", "--provisional"),
        "dnsfilterctl: ghent already has a ban on tiktok (ban 8), and ",
    ),
    (
        ("ban", "adopt", "diest", "facebook", "--following", "federal/facebook"),
        '--following: No ban "federal/face',
    ),
    (("ban", "set", "ghent", "tiktok", "--mode", "off", "--reason", "a\nbc"), "--reason: has a line break"),
    (
        ("ban", "end", "ghent", "tiktok", "--at", "2027-13-01", *REASON),
        "--at: '2027-13-01' is not a date: the calendar",
    ),
    (("suspend", "ghent", "--for", "5h", *REASON), "--for: '5h' is longer than 4 hours"),
    (
        ("suspend", "ghent", "--until", "morgen", *REASON),
        "--until: 'morgen' is not a date or time",
    ),
    (("suspend", "nobody", "--for", "5m", *REASON), 'AUTHORITY: No authority "nobody".'),
    (("trace", "127.0.5.10", "tiktok.com", "--at", "gisteren"), "--at: 'gisteren' is not a date or time"),
    (("audit", "list", "--since", "gisteren"), "--since: 'gisteren' is not a date or time"),
    (("authority", "set", "leuven"), "--name: give at least one"),
    (("authority", "set", "ghent", "--languages", "vlaams"), "--languages: 'vlaams' is not a language"),
    ((*ASK,), "--until: an exemption needs an end"),
    ((*ASK, "--for", "5 years"), "--for: an exemption lasts at most a year"),
    ((*ASK, "--for", "5 months", "--hours", "9-12"), "--hours: '9-12' is not valid as weekly hours"),
    ((*ASK, "--for", "5 months", "--time-zone", "Gent"), "--time-zone: unknown time zone 'Gent'"),
)


def test_fault_names_the_option_and_what_to_write(served: Served, ctl: Ctl) -> None:
    revision = served.plane.revision()
    for arguments, message in FAULTS:
        done = ctl(*arguments)
        assert (done.code, any(line.startswith(message) for line in done.err.splitlines())) == (2, True), done.err
    assert served.plane.revision() == revision


@pytest.mark.parametrize(
    ("line", "location", "translated"),
    [
        ("ban adopt ghent tiktok", "body", ""),
        ("ban adopt ghent tiktok", "body.terms", ""),
        ("ban adopt ghent tiktok", "body.terms.0", ""),
        ("ban adopt ghent tiktok", "body.terms.0.review_by", "--review-by"),
        ("ban adopt ghent tiktok", "body.decision.follows", "--follows"),
        ("ban adopt ghent tiktok --following federal/tiktok", "body.decision.follows", "--following"),
        ("ban set ghent tiktok --confirm", "body.provisional", "--confirm"),
        ("ban set ghent tiktok", "body.mode_reason", "--reason"),
        ("ban show ghent tiktok", "body.decision.date", "body.decision.date"),
        ("binding add c a/b --ground law --instrument x --date x --until 2026-09-30", "body.end", "--until"),
        ("binding add c a/b --ground law --instrument x --date x", "body.end", "--until"),
        ("exemption ask ghent/tiktok 192.0.2.0/24 --reason because", "body.ranges.0", "PREFIX"),
        ("authority set ghent --name contact=x", "body.names.contact", "--name"),
        ("authority set ghent", "body.usage", "--usage"),
        ("explain 192.0.2.1 example.org", "query.client", "CLIENT"),
        ("range import ranges.csv", "line 7", "line 7"),
        ("policy apply bad.toml", "policy.toml", "bad.toml"),
        ("policy apply bad.toml", "policy.toml:78", "bad.toml:78"),
        ("policy apply bad.toml", "policy.toml ban[0].mode (ghent, x)", "bad.toml ban[0].mode (ghent, x)"),
        ("policy diff -", "policy.toml ban[0].mode", "standard input ban[0].mode"),
        ("policy diff bad.toml", "policy.tomlx", "policy.tomlx"),
        ("policy diff bad.toml", "body.file", "body.file"),
        ("ban list", "policy.toml:78", "policy.toml:78"),
    ],
)
def test_location_is_translated_to_an_argument_of_the_command(line: str, location: str, translated: str) -> None:
    assert location_translator(make_parser().parse_args(line.split()))(location) == translated


@pytest.mark.parametrize("verb", ["diff", "apply"])
def test_policy_file_is_named_as_given(served: Served, ctl: Ctl, tmp_path: Path, verb: str) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(EXAMPLE.read_text().replace("127.0.5.0/24", "127.0.5.1/24", 1))
    done = ctl("policy", verb, str(bad))
    assert (done.code, done.err.splitlines()[1].startswith(f"{bad} range[")) == (2, True), done.err


def test_setting_the_mode_of_a_lapsed_ban_prints_a_note(served: Served, ctl: Ctl) -> None:
    assert ctl("ban", "adopt", "diest", "facebook", "--provisional").code == 0
    assert ctl("ban", "set", "diest", "facebook", "--mode", "off").err == ""
    served.plane.clock.now += 73 * 3600
    done = ctl("ban", "set", "diest", "facebook", "--mode", "enforce")
    assert (done.code, done.err) == (
        0,
        "The ban has lapsed and refuses nothing in any mode. Type `dnsfilterctl ban renew` to add a term.\n",
    )


def test_status_does_not_wait_long_for_a_stopped_control_plane(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "SOON_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = ctl("status", "--api", url)
    assert (done.code, done.err) == (4, f"dnsfilterctl: {url} did not answer in time: no answer within 0.05 s\n")
