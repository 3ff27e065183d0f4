"""Exit codes and error messages of complete commands: no secrets, no terminal escapes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.api.ctl.conftest import TOKEN, Ctl, Scripted, Served

pytestmark = pytest.mark.heavy

GHENT = ("ghent", "tiktok")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("status",), 0, ""),
        (("version",), 0, ""),
        (("ban", "set", *GHENT, "--mode", "off"), 0, ""),
        (("explain", "127.0.5.10", "www.tiktok.com"), 0, ""),
        (("explain", "127.0.5.10", "www.example.org"), 0, ""),
        (("service", "list", "--limit", "1"), 0, "more services follow the first 1. Raise --limit to see them."),
        (("exemption", "list", "--state", "rejected"), 0, "no exemptions"),
        (("authority", "show", "nobody"), 2, 'No authority "nobody". See dnsfilterctl authority list.'),
        (("authority", "show", "gent"), 2, 'No authority "gent". Did you mean "ghent"?'),
        (("ban", "show", "ghent", "tiktk"), 2, 'ghent has no ban on tiktk. Did you mean "tiktok"?'),
        (("ban", "list", "--authority", "gent"), 2, '\n--authority: No authority "gent". Did you mean "ghent"?'),
        (("ban", "list", "--service", "tiktk"), 2, '\n--service: No service "tiktk". Did you mean "tiktok"?'),
        (("ban", "list", "--state", "in_forc"), 2, "argument --state: invalid choice: 'in_forc'"),
        (("range", "list", "--site", "defalt"), 2, '\n--site: No site "defalt". Did you mean "default"?'),
        (
            ("exemption", "list", "--ban", "ghent/tiktk"),
            2,
            '\n--ban: No ban "ghent/tiktk". Did you mean "ghent/tiktok"?',
        ),
        (("audit", "list", "--act", "ban.set_of"), 2, '\n--act: No act "ban.set_of". Did you mean "ban.set_off"?'),
        (("audit", "list", "--account", "99"), 2, "\n--account: No account 99. See dnsfilterctl account list."),
        (
            ("audit", "list", "--account", "administrater"),
            2,
            '\n--account: No account "administrater". Did you mean "adm',
        ),
        (("ban", "set", "ghent", "facebook", "--mode", "off"), 2, "ghent has no ban on facebook."),
        (("ban", "set", "ghent", "facebook", "--legal-basis", "decree"), 2, "\na ban needs a term"),
        (("ban", "set", *GHENT), 2, "nothing to set"),
        (("ban", "remove", *GHENT), 2, "dnsfilterctl: the ban has begun"),
        (("ban", "renew", *GHENT, "--start", "2026-13-01", "--for", "1 day", "--reference", "1"), 2, "--start: "),
        (("explain", "127.0.5.10", "TikTok"), 2, "NAME: TikTok is a service. Try www.tiktok.com."),
        (("explain", "127.0.5.10", "encrypted_dns"), 2, "NAME: Encrypted DNS is a service. Try "),
        (("trace", "127.0.5.10", "tiktok", "--at", "08:00"), 2, "TikTok is a service. Try www.tiktok.com."),
        (("explain", "nobody", "www.example.org"), 2, "CLIENT: 'nobody' is not an IP address"),
        (("range", "add", "ghent", "192.0.2.0/24", "--funding", "public"), 2, "required: --audience"),
        (("range", "list", "--limit", "0"), 2, "'0' is not a number from 1 to 10000"),
        (("authority", "show", "../ghent"), 2, "'../ghent' is not a slug"),
        (("binding", "accept", "-1"), 2, "usage: "),
        (("ban",), 2, "usage: "),
        (("bans", "list"), 2, 'dnsfilterctl: no command "bans". Did you mean "ban"?'),
        (("ban", "on", *GHENT, "--for", "8h"), 2, "dnsfilterctl ban on: unrecognized arguments: --for 8h"),
        (("suspend", "list", "ghent"), 2, "usage: dnsfilterctl suspend list "),
        (("ban", "lst"), 2, 'dnsfilterctl ban: no command "lst". Did you mean "list"?'),
        (("frobnicate",), 2, 'dnsfilterctl: no command "frobnicate". Type: dnsfilterctl --help'),
        (("help", "tims"), 2, 'dnsfilterctl: no help on "tims". Did you mean "times"? Type: dnsfilterctl --help'),
        (("help", "ban", "lst"), 2, 'no help on "lst". Did you mean "list"? Type: dnsfilterctl ban --help'),
        (("help", "times"), 0, ""),
        ((), 2, "usage: "),
        (("--token-file", "nowhere", "ban", "list"), 3, "cannot read the token file nowhere"),
        (("--api", "http://127.0.0.1:1", "ban", "list"), 4, "http://127.0.0.1:1 is not reachable: Connection refused"),
        (("ban", "list", "--api", "http://localhost:1"), 4, "http://localhost:1 is not reachable"),
        (("ban", "list", "--api", "ctl.example.org"), 2, "'ctl.example.org' is not a URL of an API"),
    ],
)
def test_exit_code_and_message(served: Served, ctl: Ctl, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = ctl(*arguments)
    assert (done.code, message in done.err) == (code, True), done.err
    assert bool(done.err) is bool(message)
    assert served.plane.token not in done.out + done.err


def test_detail_that_is_a_sentence_is_printed_without_the_title(served: Served, ctl: Ctl) -> None:
    asked = ("exemption", "ask", "ghent/tiktok", "127.0.5.0/24", "--for", "1 month", "--reason", "information")
    assert ctl(*asked).code == 0
    again = ctl(*asked)
    assert (again.code, again.out) == (2, "")
    assert again.err == "dnsfilterctl: Exemption 3 already asks for this and is waiting for a decision.\n"


def test_a_token_of_another_control_plane_is_refused_with_3(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(TOKEN)
    other.chmod(0o600)
    done = ctl("ban", "list", "--token-file", str(other))
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines() == [
        "dnsfilterctl: Your token is not accepted: unknown, ended or revoked.",
        f"The token comes from the file {other}. Type `dnsfilterctl login` to store another.",
    ]
    assert TOKEN not in done.err


def test_commands_that_need_no_token_work_without_one(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert (ctl("version").code, ctl("status").code) == (0, 0)
    done = ctl("ban", "list")
    assert (done.code, done.out) == (3, "")
    assert "Name its file with --token-file or DNSFILTER_TOKEN_FILE" in done.err


def test_control_plane_that_is_not_ready_exits_with_1(scripted: Scripted, ctl: Ctl) -> None:
    body = {
        "ready": False,
        "reason": "revision 7 is not published yet",
        "database": True,
        "revision": 7,
        "published": None,
    }
    scripted.answers["/readyz"] = (503, "application/json", json.dumps(body).encode())
    done = ctl("status")
    assert done.code == 1
    assert [line.split("  ")[-1].strip() for line in done.out.splitlines()[1:]] == [
        "no: revision 7 is not published yet",
        "reachable",
        "revision 7",
        "nothing yet",
    ]


def test_act_not_yet_in_force_exits_with_1(scripted: Scripted, ctl: Ctl) -> None:
    problem = {"type": "/problems/not-published", "title": "recorded, but not yet in force", "detail": "retried"}
    scripted.answers["/v1/authorities/ghent/bans/tiktok"] = (
        503,
        "application/problem+json",
        json.dumps(problem).encode(),
    )
    done = ctl("ban", "set", *GHENT, "--mode", "off")
    assert (done.code, done.err) == (1, "dnsfilterctl: recorded, but not yet in force: retried\n")


@pytest.mark.parametrize("arguments", [("--json", "ban", "show", *GHENT), ("ban", "show", *GHENT, "--json")])
def test_json_is_the_answer_of_the_api_with_the_option_in_any_position(
    served: Served, ctl: Ctl, arguments: tuple[str, ...]
) -> None:
    printed = json.loads(ctl(*arguments).out)
    answer = served.plane.done("GET", "/v1/authorities/ghent/bans/tiktok")
    assert printed == answer


def test_option_overrides_the_url_of_the_environment(served: Served, ctl: Ctl) -> None:
    assert ctl("--api", "http://127.0.0.1:1", "version").code == 4
    assert ctl("--api", "http://127.0.0.1:1", "version", "--api", served.url).code == 0


def test_texts_of_the_api_are_escaped(scripted: Scripted, ctl: Ctl) -> None:
    evil = "\x1b]0;owned\x07\u202eevil\r\nghent"
    problem = {"type": evil, "title": evil, "detail": evil, "faults": [{"location": evil, "message": f"other{evil}"}]}
    scripted.answers["/v1/authorities/ghent"] = (422, "application/problem+json", json.dumps(problem).encode())
    page = {"items": [{"slug": evil, "name": evil, "revision": 1}], "next": None}
    scripted.answers["/v1/sites"] = (200, "application/json", json.dumps(page).encode())
    for done in (ctl("authority", "show", "ghent"), ctl("site", "list"), ctl("site", "list", "--json")):
        assert "evil" in done.out + done.err
        assert all(line.isprintable() for line in (done.out + done.err).split("\n"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--token", "dnsf_secret", "ban", "list"),
        ("ban", "list", "--token=dnsf_secret"),
        ("ban", "list", "dnsf_secret"),
        ("ban", "list", "--token-fil", "dnsf_secret"),
        ("authority", "show", "dnsf_secret_X"),
        ("ban", "list", "--api", "http://user:dnsf_secret@127.0.0.1"),
        ("ban", "list", "--limit", "http://user:hush@127.0.0.1"),
    ],
)
def test_secret_given_by_mistake_is_not_printed(ctl: Ctl, arguments: tuple[str, ...]) -> None:
    done = ctl(*arguments)
    assert done.code == 2
    assert "secret" not in done.out + done.err
    assert "hush" not in done.out + done.err


def test_unencrypted_token_to_another_machine_gives_a_warning(ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    done = ctl("--api", "http://0.0.0.0:1", "ban", "list")
    assert "warning: the token goes to http://0.0.0.0:1 unencrypted. Use https." in done.err
    assert "warning: others can read the token file admin-token (mode 0644). Type: chmod 600 admin-token" in done.err
    assert "unencrypted" not in ctl("--api", "http://localhost:1", "ban", "list").err
    assert "unencrypted" not in ctl("--api", "http://[::1]:1", "ban", "list").err


def test_closed_pipe_is_not_an_error(served: Served) -> None:
    program = f"import sys; from api.cli import main; sys.exit(main({['audit', 'list']!r}))"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=served.plane.settings.state_dir,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_client_loads_neither_the_database_nor_the_server(tmp_path: Path) -> None:
    program = (
        "import sys, api.cli; print([name for name in ('sqlalchemy', 'fastapi', 'uvicorn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"
