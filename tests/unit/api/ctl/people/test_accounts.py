"""Commands on accounts, tokens, grants, space, sites and authentication failures."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.ctl.conftest import TOKEN, Ctl, Scripted, Served

pytestmark = pytest.mark.heavy


def _done(ctl: Ctl, *arguments: str) -> Any:
    done = ctl(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def _file(tmp_path: Path, token: str) -> str:
    path = tmp_path / "token-of-somebody"
    path.write_text(token)
    path.chmod(0o600)
    return str(path)


def _cells(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]


def test_an_account_is_made_shown_disabled_and_enabled(served: Served, ctl: Ctl) -> None:
    made = ctl("account", "add", "desk", "--name", "the desk", "--authority", "ghent")
    assert made.code == 0, made.err
    assert _cells(made.out)[:5] == [
        ["account", "2"],
        ["login", "desk"],
        ["name", "the desk"],
        ["kind", "user"],
        ["authority", "ghent", "Stad Gent"],
    ]
    assert _done(ctl, "account", "add", "exporter", "--name", "exports", "--service")["kind"] == "service"
    assert _done(ctl, "account", "disable", "desk")["disabled"] is not None
    assert _done(ctl, "account", "show", "2")["disabled"] is not None
    assert _done(ctl, "account", "enable", "2")["disabled"] is None
    listed = _cells(ctl("account", "list").out)
    assert [row[:2] for row in listed] == [["no.", "login"], ["1", "administrator"], ["2", "desk"], ["3", "exporter"]]
    assert [row[1] for row in _cells(ctl("account", "list", "--authority", "ghent").out)] == ["login", "desk"]
    again = ctl("account", "add", "desk", "--name", "another")
    assert (again.code, "the login desk is taken" in again.err) == (2, True)


def test_erased_account_is_shown_by_its_number_only(served: Served, ctl: Ctl) -> None:
    _, token = served.plane.account("desk", ("operator", "ghent"))
    served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "off"}, token=token)
    assert "  desk (account 2), token 2  " in ctl("audit", "list", "--account", "desk").out
    assert ctl("account", "erase", "desk").out == "erased login and name of account 2; it is disabled\n"
    assert _cells(ctl("account", "list").out)[2][:2] == ["2", "erased"]
    assert "  account 2, token 2  " in ctl("audit", "list", "--account", "2").out
    gone = ctl("account", "show", "desk")
    assert (gone.code, gone.err) == (
        2,
        'dnsfilterctl: the request is not valid\nACCOUNT: No account "desk". See dnsfilterctl account list.\n',
    )
    own = ctl("account", "erase", "administrator")
    assert (own.code, "you cannot erase your own account" in own.err) == (3, True)


def test_a_token_is_shown_once_used_listed_and_revoked(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    number, _ = served.plane.account("desk", ("operator", "ghent"))
    made = ctl("token", "make", "--account", "desk", "--label", "workstation", "--for", "90 days")
    token = made.out.strip()
    assert made.code == 0, made.err
    assert made.out == f"{token}\n"
    assert "shown only now" in made.err
    file = _file(tmp_path, token)
    assert _done(ctl, "whoami", "--token-file", file)["account"]["number"] == number
    listed = ctl("token", "list", "--account", "desk")
    assert [row[:2] for row in _cells(listed.out)] == [["no.", "label"], ["2", "test"], ["3", "workstation"]]
    assert token not in listed.out
    assert token not in ctl("token", "list", "--account", "desk", "--json").out
    assert ctl("token", "make", "--label", "phone", "--for", "1 day", "--token-file", file).code == 0
    assert ctl("token", "revoke", "3", "--account", "desk").out.splitlines() == [
        f"revoked token 3 of account {number}", f"also revoked token 4 of account {number}, phone"
    ]  # fmt: skip
    assert ctl("whoami", "--token-file", file).code == 3
    assert "revoked 21 September 2026" in ctl("token", "list", "--account", "desk").out
    assert ctl("token", "revoke", "99").code == 2


def test_token_is_written_to_a_private_file_and_not_printed(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    narrow = ("--role", "reader", "--authority", "ghent", "--authority", "diest")
    for extra in ((), ("--json",)):
        done = ctl("token", "make", "--label", "export", "--until", "2026-12-31", *narrow, "--out", "new", *extra)
        file = tmp_path / "new"
        token = file.read_text().strip()
        assert done.code == 0, done.err
        assert token.startswith("dnsf_")
        assert token not in done.out + done.err
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = json.loads(done.out)
    assert (made["roles"], made["authorities"], made["file"]) == (["reader"], ["diest", "ghent"], "new")


def test_token_is_not_made_if_its_file_cannot_be_written(served: Served, ctl: Ctl) -> None:
    done = ctl("token", "make", "--label", "export", "--for", "1 day", "--out", "nowhere/new")
    assert (done.code, "cannot write" in done.err) == (2, True)
    assert len(_done(ctl, "token", "list")["items"]) == 1
    refused = ctl("token", "make", "--label", "export", "--for", "2 years", "--out", "new")
    assert (refused.code, "within a year" in refused.err) == (2, True)
    assert not Path("new").exists()


def test_disabling_the_maker_of_the_own_token_reports_its_end(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    body = {"kind": "user", "login": "admin", "name": "admin", "authority": "ghent"}
    maker = served.plane.done("POST", "/v1/accounts", body)["number"]
    grant = {"account": maker, "role": "administrator", "reason": "for a test", "for": "1 year"}
    served.plane.done("POST", "/v1/grants", grant)
    label = {"label": "x", "for": "1 day"}
    token = served.plane.done("POST", f"/v1/accounts/{maker}/tokens", label)["token"]
    other, spared = served.plane.account("other", ("administrator", None))
    made = served.plane.done("POST", f"/v1/accounts/{other}/tokens", label, token=token)["token"]
    done = ctl("account", "disable", "admin", "--token-file", _file(tmp_path, made))
    assert (done.code, done.out) == (0, f"disabled account {maker}\n")
    assert "also revoked your own token" in done.err
    assert ctl("whoami", "--token-file", _file(tmp_path, made)).code == 3
    again = ctl("account", "disable", "admin", "--token-file", _file(tmp_path, spared))
    assert (again.code, again.err, "login      admin" in again.out) == (0, "", True)


def test_token_outlives_its_maker_only_with_an_administrators_option(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    _, token = served.plane.account("admin", ("administrator", None))
    make = ("token", "make", "--label", "x", "--for", "1 year", "--out", "new", "--token-file", _file(tmp_path, token))
    refused = ctl(*make)
    assert (refused.code, "; or add --outlives-maker." in refused.err) == (3, True)
    assert ctl(*make, "--outlives-maker").code == 0


def test_a_role_is_granted_by_login_listed_and_ended(served: Served, ctl: Ctl) -> None:
    served.plane.account("desk")
    made = ctl("grant", "add", "ghent", "desk", "operator", "--until", "2026-12-31", "--reason", "carries it out")
    assert made.code == 0, made.err
    assert _cells(made.out)[1:5] == [
        ["of", "desk (account 2)"],
        ["role", "operator"],
        ["in", "ghent", "Stad Gent"],
        ["term", "from 21 September 2026 16:13:20 CEST through 31 December 2026"],
    ]
    listed = _cells(ctl("grant", "list", "--account", "desk").out)
    assert listed[1][:6] == ["2", "2", "desk", "operator", "ghent", "in force"]
    ended = ctl("grant", "end", "2", "--reason", "left the desk")
    assert "state     ended" in ended.out
    assert ended.out.endswith("21 September 2026 16:13:20 CEST: left the desk\n")
    assert ctl("grant", "end", "2", "--reason", "again").code == 2
    assert _cells(ctl("grant", "list", "--authority", "ghent").out)[1][5] == "ended"
    assert _done(ctl, "grant", "add", "desk", "auditor", "--reason", "looks at it")["authority"] is None
    lacking = ctl("grant", "add", "desk", "reader", "--reason", "none")
    assert (lacking.code, "name it" in lacking.err) == (2, True)


def test_approver_grants_by_number_and_sees_no_login_of_an_account_that_never_acted(
    served: Served, ctl: Ctl, tmp_path: Path
) -> None:
    other, _ = served.plane.account("other")
    own, token = served.plane.account("desk", ("approver", "ghent"))
    file = ("--token-file", _file(tmp_path, token))
    refused = ctl("grant", "add", "ghent", "other", "reader", "--reason", "reads", *file)
    assert (refused.code, "Type `dnsfilterctl account list`, or give a number." in refused.err) == (2, True)
    made = ctl("grant", "add", "ghent", str(other), "reader", "--for", "1 month", "--reason", "reads", *file)
    assert made.code == 0, made.err
    assert [row[1] for row in _cells(made.out) if row[0] == "of"] == [f"account {other}"]
    assert made.out.rstrip().endswith(f"by desk (account {own})")
    # The account that registered ghent, and the approver by its grant; not the other, which did nothing there.
    assert [row[1] for row in _cells(ctl("account", "list", *file).out)] == ["login", "administrator", "desk"]
    assert ctl("failures", "list", *file).code == 3
    assert ctl("token", "list", *file).code == 0
    assert ctl("account", "show", "desk", *file).code == 0


def test_accounts_of_an_authority_see_logins_of_its_acts_and_others_see_numbers(
    served: Served, ctl: Ctl, tmp_path: Path
) -> None:
    number, token = served.plane.account("ict-ghent", ("operator", "ghent"))
    served.plane.done("POST", "/v1/suspensions", {"authority": "ghent", "for": "1h", "reason": "outage"}, token=token)
    _, ghents = served.plane.account("reader-ghent", ("reader", "ghent"))
    _, diests = served.plane.account("reader-diest", ("reader", "diest"))
    _, nobodys = served.plane.account("nobody")
    seen = {}
    for login, text in (("ghent", ghents), ("diest", diests), ("nobody", nobodys)):
        shown = ctl("suspend", "show", "1", "--token-file", _file(tmp_path, text))
        assert shown.code == 0, shown.err
        seen[login] = next(row[1] for row in _cells(shown.out) if row[0] == "started by")
    assert seen == {
        "ghent": f"ict-ghent (account {number})",
        "diest": f"account {number}",
        "nobody": f"account {number}",
    }
    listed = ctl("audit", "list", "--account", "ict-ghent", "--token-file", _file(tmp_path, ghents))
    assert (listed.code, f"  ict-ghent (account {number}), token 2  suspension.start  " in listed.out) == (0, True)


def test_space_is_allotted_listed_and_withdrawn(served: Served, ctl: Ctl) -> None:
    prefix = ("192.0.2.0/24",)
    assert _cells(ctl("space", "allot", "ghent", *prefix).out) == [
        ["space", "192.0.2.0/24"],
        ["site", "default"],
        ["authority", "ghent", "Stad Gent"],
    ]
    assert ctl("space", "allot", "diest", *prefix).code == 2
    assert _cells(ctl("space", "list", "--authority", "ghent").out)[1] == [*prefix, "ghent", "Stad Gent", "default"]
    assert ctl("space", "list", "--authority", "diest").err == "no space\n"
    assert ctl("space", "withdraw", *prefix).out.startswith("withdrew 192.0.2.0/24 at site default")
    assert ctl("space", "withdraw", *prefix).code == 2


def test_site_is_added_once_and_set_repeatedly(served: Served, ctl: Ctl) -> None:
    assert ctl("site", "add", "harbour", "--name", "Harbour").out == "site  harbour  Harbour\n"
    again = ctl("site", "add", "harbour", "--name", "Port")
    assert (again.code, again.out) == (2, "")
    assert ctl("site", "set", "harbour", "--name", "Port").out == "site  harbour  Port\n"


def test_authentication_failures_are_listed_with_the_account(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    assert ctl("failures", "list").err == "no authentication failures\n"
    _, token = served.plane.account("desk")
    assert ctl("token", "revoke", "2", "--account", "desk").code == 0
    for tried in (TOKEN, token):
        assert ctl("whoami", "--token-file", _file(tmp_path, tried)).code == 3
    listed = ctl("failures", "list").out
    rows = _cells(listed)
    assert [row[1:-1] for row in rows] == [
        ["address", "reason", "token", "of"],
        ["127.0.0.1", "revoked", "2", "desk (account 2)"],
        ["127.0.0.1", "unknown"],
    ]
    assert token not in listed


def test_accounts_in_long_lists_are_requested_together(served: Served, ctl: Ctl) -> None:
    for number in range(8):
        _, token = served.plane.account(f"desk-{number}", ("operator", "ghent"))
        mode = "monitor" if number % 2 else "off"
        served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": mode}, token=token)
    lines = ctl("audit", "list", "--act", "ban", "--object", "ban/ghent/tiktok").out
    assert [f"  desk-{number} (account {number + 2})" in lines for number in range(8)] == [True] * 8


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "show", "Desk"),
        ("account", "show", "dnsf_0123456789ab_secret"),
        ("account", "add", "17", "--name", "a number"),
        ("account", "add", "desk"),
        ("account", "show", "1234567890"),
        ("account", "show", "0"),
        ("token", "make", "--label", "endless"),
        ("token", "make", "--label", "x", "--for", "1 day", "--role", "king"),
        ("token", "revoke", "dnsf_secret"),
        ("login", "dnsf_secret"),
        ("grant", "add", "ghent", "desk", "king", "--reason", "none"),
        ("grant", "end", "1"),
        ("space", "allot", "ghent", "192.0.2.1/24"),
    ],
)
def test_malformed_argument_is_wrong_input(served: Served, ctl: Ctl, arguments: tuple[str, ...]) -> None:
    done = ctl(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "secret" not in done.err


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("act", "printed"),
    [("disable", "disabled account 7\n"), ("erase", "erased login and name of account 7; it is disabled\n")],
)
def test_act_on_an_account_succeeds_even_if_the_own_token_cannot_be_checked(
    scripted: Scripted, ctl: Ctl, act: str, printed: str, status: int
) -> None:
    disabled = {"number": 7, "kind": "user", "login": "desk", "name": "the desk", "authority": "ghent", "revision": 2}
    disabled |= {"recorded": "2026-11-01T10:00:00Z", "disabled": "2026-11-28T10:00:00Z"}
    scripted.answers = {
        "/v1/accounts/7/disable": (200, "application/json", json.dumps(disabled).encode()),
        "/v1/accounts/7/name": (204, "application/json", b""),
        "/v1/self": (status, "text/plain", b"later"),
    }
    done = ctl("account", act, "7")
    assert (done.code, done.out) == (0, printed), done.err
    assert done.err.startswith("done. Your own token may be revoked too. Type `dnsfilterctl whoami` to check.\n")
    assert scripted.url in done.err, "the reason"
