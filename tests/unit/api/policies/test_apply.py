"""Load, export, compare and apply a policy file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from api.policies import service
from api.policies.first_policy import load_into_empty
from blocklists.catalogue import Catalogue
from dnsfilter.config.policyfile import parse_loaded
from dnsfilter.errors import ConfigError
from tests.unit.api.conftest import Plane, ban, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

EXAMPLE = Path(__file__).parents[4] / "deploy" / "examples" / "belgium-2023.toml"
FILE = """
[[authority]]
slug = "town"
kind = "municipality"
names = { nl = "Stad" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"

[[authority]]
slug = "zone"
kind = "police_zone"
names = { nl = "Zone" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"

[[range]]
prefix = "192.0.2.0/24"
authority = "town"
funding = "public"
audience = "staff"

[[ban]]
authority = "zone"
service = "alpha"
mode = "enforce"
[ban.decision]
legal_basis = "decree 2"
follows = "town"
[[ban.term]]
start = 2026-09-01
for = "1 year"

[[ban]]
authority = "town"
service = "alpha"
mode = "enforce"
[ban.decision]
legal_basis = "decree 1"
[[ban.term]]
start = 2026-09-01
for = "6 months"

[[binding]]
of = "zone"
service = "alpha"
authority = "town"
ground = "agreement"
instrument = "letter 1"
start = 2026-09-01
accepted = true

[[exemption]]
of = "town"
service = "alpha"
ranges = ["192.0.2.0/24"]
start = 2026-09-01
until = 2026-12-31
hours = ["Mon-Fri 09:00-12:00"]
reason = "promotion"
approved = true
"""


def _send(plane: Plane, path: str, text: str | bytes, kind: str = "application/toml") -> httpx.Response:
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": kind}
    return plane.call("POST", path, headers=headers, content=text)


OWN_BAN = """
[[ban]]
authority = "zone"
service = "town:games"
mode = "enforce"
[ban.decision]
legal_basis = "decree 1"
[[ban.term]]
start = 2026-09-01
for = "6 months"
"""


@pytest.fixture
def loaded(plane: Plane) -> Plane:
    """Apply the file to the empty database."""
    response = _send(plane, "/v1/policy/apply", FILE)
    assert response.status_code == 200, response.text
    return plane


@pytest.fixture
def belgium(tmp_path: Path, packaged: Catalogue) -> Iterator[Plane]:
    """Load the example policy, as the first start does."""
    made = make_plane(tmp_path / "belgium", packaged)
    assert load_into_empty(made.app.state.runtime, EXAMPLE)
    made.publisher.publish_current()
    yield made
    made.database.close()


def test_into_an_empty_database_agreements_are_accepted_and_exemptions_approved(loaded: Plane) -> None:
    assert [item["state"] for item in loaded.done("GET", "/v1/bindings")["items"]] == ["in_force"]
    assert [item["state"] for item in loaded.done("GET", "/v1/exemptions")["items"]] == ["in_force"]
    assert loaded.done("GET", "/v1/authorities/zone/bans/alpha")["decision"]["follows"] == "town/alpha"
    entries = [entry for entry in loaded.done("GET", "/v1/audit")["items"] if entry["revision"]]
    assert (entries[0]["act"], {entry["revision"] for entry in entries}) == ("policy.apply", {1})
    assert len({entry["request"] for entry in entries}) == 1


def test_export_has_no_difference(loaded: Plane) -> None:
    exported = loaded.call("GET", "/v1/policy")
    assert exported.headers["content-type"].startswith("application/toml")
    assert _send(loaded, "/v1/policy/diff", exported.text).json() == {"acts": [], "faults": [], "warnings": []}
    assert _send(loaded, "/v1/policy/apply", exported.text).json() == {"acts": [], "warnings": [], "revision": 1}
    assert loaded.revision() == 1


@pytest.mark.parametrize("start", ["2026-11-01", "2026-09-01"], ids=["before it began", "before it was accepted"])
def test_what_is_exported_after_a_binding_was_called_off_differs_in_nothing(
    town: Plane, tmp_path: Path, start: str
) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "date": "2026-09-01", "start": start}
    for instrument in ("letter 1", "letter 2"):
        number = town.done("POST", "/v1/bindings", {**body, "instrument": instrument})["number"]
        town.clock.now += 60
        if instrument == "letter 1":
            town.done("POST", f"/v1/bindings/{number}/withdraw", {"reason": "the wrong letter"})
    town.done("POST", f"/v1/bindings/{number}/accept")
    exported = town.call("GET", "/v1/policy").text
    assert _send(town, "/v1/policy/diff", exported).json() == {"acts": [], "faults": [], "warnings": []}
    empty = make_plane(tmp_path / "empty")
    empty.clock.now = town.clock.now
    assert _send(empty, "/v1/policy/apply", exported).status_code == 200
    assert _send(empty, "/v1/policy/diff", exported).json()["acts"] == []
    empty.database.close()


def test_what_is_exported_after_a_ban_was_called_off_differs_in_nothing_and_an_older_file_adopts_it_again(
    town: Plane,
) -> None:
    path = "/v1/authorities/town/bans/beta"
    town.done("PUT", path, ban(terms=[{"start": "2027-01-01", "until": "2027-06-30"}]))
    bound = {"ban": "town/beta", "authority": "zone", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", bound)
    asked = {"ban": "town/beta", "ranges": ["192.0.2.0/24"], "start": "2027-02-01", "for": "1 month", "reason": "test"}
    number = town.done("POST", "/v1/exemptions", asked)["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", token=town.other())
    older = town.call("GET", "/v1/policy").text
    town.done("POST", f"{path}/end", {"reason": "to be heard first"})
    exported = town.call("GET", "/v1/policy").text
    assert _send(town, "/v1/policy/apply", exported).json()["acts"] == []
    acts = _send(town, "/v1/policy/apply", older).json()["acts"]
    assert [(act["act"], act["object"]) for act in acts] == [("ban.change", "ban/town/beta")]
    assert town.done("GET", path)["state"] == "planned"
    assert _send(town, "/v1/policy/diff", exported).json()["faults"] != [], (
        "a ban that is adopted again must not be omitted"
    )
    assert _send(town, "/v1/policy/diff", older).json() == {"acts": [], "faults": [], "warnings": []}


def test_an_exemption_keeps_its_zone_in_a_file(town: Plane, tmp_path: Path) -> None:
    town.done(
        "POST", "/v1/authorities/town/bans/alpha/terms", {"until": "2028-12-31", "decision": {"reference": "C-2"}}
    )
    asked = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "start": "2026-10-26", "for": "1 year", "reason": "study"}
    hours = {"hours": ["Mon 09:00-12:00"], "time_zone": "UTC"}
    number = town.done("POST", "/v1/exemptions", {**asked, **hours})["number"]
    kept = town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    exported = town.call("GET", "/v1/policy").text
    assert 'time_zone = "UTC"\nhours = ["Mon 09:00-12:00"]' in exported
    assert _send(town, "/v1/policy/diff", exported).json() == {"acts": [], "faults": [], "warnings": []}
    empty = make_plane(tmp_path / "empty")
    assert _send(empty, "/v1/policy/apply", exported).status_code == 200
    loaded = empty.done("GET", f"/v1/exemptions/{number}")
    for field in ("start", "end", "hours", "time_zone", "through"):
        assert loaded[field] == kept[field]
    empty.database.close()


def test_own_services_are_defined_changed_and_removed_by_a_file(loaded: Plane, tmp_path: Path) -> None:
    service = '[[service]]\nauthority = "town"\nslug = "games"\nname = "Games"\ndomains = ["games.example.org"]\n'
    banned = FILE + OWN_BAN
    for file, expected in (
        (FILE + service, ["service.define"]),
        (FILE + service.replace("Games", "Play"), ["service.change"]),
        (FILE + service, ["service.change"]),
        (FILE, ["service.remove"]),
    ):
        answer = _send(loaded, "/v1/policy/apply", file)
        assert answer.status_code == 200, answer.text
        assert [act["act"] for act in answer.json()["acts"]] == expected
    hit = _send(loaded, "/v1/policy/diff", FILE + service.replace("games.example.org", "co.uk")).json()
    assert [(fault["location"], "co.uk hits" in fault["message"]) for fault in hit["faults"]] == [
        ("service/town:games", True)
    ]
    assert _send(loaded, "/v1/policy/apply", banned).status_code == 422
    empty = make_plane(tmp_path / "empty")
    assert _send(empty, "/v1/policy/apply", banned + service).status_code == 200
    exported = empty.call("GET", "/v1/policy").text
    assert service.strip() in exported
    assert _send(empty, "/v1/policy/diff", exported).json() == {"acts": [], "faults": [], "warnings": []}
    empty.database.close()


@on_both_databases
def test_diff_says_what_apply_then_does(loaded: Plane) -> None:
    changed = (
        FILE.replace('contact = "ict@example.org"', 'contact = "help@example.org"', 1)
        + """
[[ban]]
authority = "town"
service = "beta"
mode = "enforce"
[ban.decision]
legal_basis = "decree 4"
[[ban.term]]
start = 2026-12-01
for = "1 month"
"""
    )
    answer = _send(loaded, "/v1/policy/diff", changed).json()
    assert loaded.revision() == 1
    assert [act["act"] for act in answer["acts"]] == ["authority.change", "ban.adopt"]
    done = _send(loaded, "/v1/policy/apply", changed).json()
    assert ([act["object"] for act in done["acts"]], done["revision"]) == (["authority/town", "ban/town/beta"], 2)
    gone = _send(loaded, "/v1/policy/apply", changed[: changed.index("\n[[ban]]", changed.index("approved"))]).json()
    assert [act["act"] for act in gone["acts"]] == ["ban.remove"]


@pytest.mark.parametrize(
    ("old", "new", "location"),
    [
        ('for = "6 months"', 'for = "7 months"', "ban/town/alpha"),
        ('legal_basis = "decree 1"', 'legal_basis = "decree 9"', "ban/town/alpha"),
        ('instrument = "letter 1"', 'instrument = "letter 2"', "binding of zone/alpha to town"),
        (FILE[FILE.index("[[binding]]") : FILE.index("[[exemption]]")], "", "binding/1"),
        (FILE[FILE.index("[[exemption]]") :], "", "exemption/1"),
        (FILE[FILE.index("[[range]]") : FILE.index("[[ban]]")], "", "policy.toml exemption[0].ranges (town, alpha)"),
    ],
    ids=["term", "decision", "binding", "binding gone", "exemption gone", "range gone"],
)
def test_what_has_begun_is_neither_altered_nor_left_out(loaded: Plane, old: str, new: str, location: str) -> None:
    response = _send(loaded, "/v1/policy/apply", FILE.replace(old, new, 1))
    assert response.status_code == 422
    assert location in [fault["location"] for fault in response.json()["faults"]], response.text
    assert loaded.revision() == 1


def test_a_ban_that_has_begun_is_not_left_out(loaded: Plane) -> None:
    text = FILE[: FILE.index("[[ban]]")]
    response = _send(loaded, "/v1/policy/apply", text)
    locations = {fault["location"] for fault in response.json()["faults"]}
    assert {"ban/town/alpha", "ban/zone/alpha", "binding/1", "exemption/1"} <= locations


def test_a_new_exemption_becomes_a_request(loaded: Plane) -> None:
    more = FILE + FILE[FILE.index("[[exemption]]") :].replace("Mon-Fri", "Sat-Sun")
    assert _send(loaded, "/v1/policy/apply", more).status_code == 200
    assert [item["state"] for item in loaded.done("GET", "/v1/exemptions")["items"]] == ["in_force", "requested"]


@pytest.mark.parametrize(("reference", "faults"), [("own 1", []), ("", ["ban/zone/beta"])])
def test_a_new_ban_may_follow_one_that_comes_later_in_the_file(town: Plane, reference: str, faults: list[str]) -> None:
    text = town.call("GET", "/v1/policy").text
    for slug, follows in (("zone", f'follows = "town"\nreference = "{reference}"'), ("town", 'reference = "C-2"')):
        text += f'[[ban]]\nauthority = "{slug}"\nservice = "beta"\nmode = "enforce"\n[ban.decision]\n'
        text += f'legal_basis = "decree 1"\n{follows}\n[[ban.term]]\nstart = 2026-10-01\nfor = "6 months"\n'
    answer = _send(town, "/v1/policy/diff", text).json()
    assert [fault["location"] for fault in answer["faults"]] == faults
    if not faults:
        acts = _send(town, "/v1/policy/apply", text).json()["acts"]
        assert [(act["act"], act["object"]) for act in acts] == [
            ("ban.adopt", "ban/zone/beta"),
            ("ban.adopt", "ban/town/beta"),
        ]
        assert town.done("GET", "/v1/authorities/zone/bans/beta")["decision"]["follows"] == "town/beta"


@pytest.mark.parametrize(("reference", "faults"), [("own 2", []), ("", ["ban/zone/beta"])])
def test_a_term_of_a_new_ban_that_follows_another_is_a_decision_of_its_own(
    loaded: Plane, reference: str, faults: list[str]
) -> None:
    term = f'decision = {{ legal_basis = "decree 3", reference = "{reference}", follows = "town" }}\n'
    text = FILE
    for slug, more in (("zone", term), ("town", "")):
        text += f'[[ban]]\nauthority = "{slug}"\nservice = "beta"\nmode = "enforce"\n[ban.decision]\n'
        text += f'legal_basis = "decree 1"\n[[ban.term]]\nstart = 2026-10-01\nfor = "6 months"\n{more}'
    found = _send(loaded, "/v1/policy/diff", text).json()
    assert [fault["location"] for fault in found["faults"]] == faults


@pytest.mark.parametrize(
    ("body", "kind", "status", "problem"),
    [
        (b"[[authority]]\nslug = 7\n", "application/toml", 422, "invalid"),
        (b"not toml", "text/plain", 422, "invalid"),
        (b"\xff\xfe", "application/toml", 422, "invalid"),
        (b"{}", "application/xml", 415, "unsupported-media-type"),
        (b"#" * (8 * 1024 * 1024 + 1), "application/toml", 413, "too-large"),
    ],
)
def test_invalid_policy_file_is_rejected(plane: Plane, body: bytes, kind: str, status: int, problem: str) -> None:
    for path in ("/v1/policy/diff", "/v1/policy/apply"):
        response = _send(plane, path, body, kind)
        assert (response.status_code, response.json()["type"]) == (status, f"/problems/{problem}")
    assert plane.revision() == 0


@pytest.mark.parametrize("path", ["/v1/policy/diff", "/v1/policy/apply"])
def test_file_of_an_unauthorized_caller_is_not_read(plane: Plane, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = plane.account("desk")
    monkeypatch.setattr(service, "parse_loaded", None)
    for sent, status in ((token, 403), ("dnsf_unknown", 401)):
        headers = {"Authorization": f"Bearer {sent}", "Content-Type": "application/toml"}
        assert plane.call("POST", path, headers=headers, content="not toml").status_code == status


def _ranges(count: int, authority: str, audience: str) -> str:
    return FILE[: FILE.index("[[range]]")] + "".join(
        f'[[range]]\nprefix = "2001:db8:{number:x}::/48"\nauthority = "{authority}"\n'
        f'funding = "public"\naudience = "{audience}"\n'
        for number in range(count)
    )


@pytest.mark.parametrize("path", ["/v1/policy/diff", "/v1/policy/apply"])
def test_more_ranges_take_no_more_queries(tmp_path: Path, path: str) -> None:
    counts = []
    for count in (5, 60):
        made = make_plane(tmp_path / str(count))
        made.publisher.publish_current()
        statements: list[str] = []
        event.listen(
            made.database.engine, "before_cursor_execute", lambda *given, executed=statements: executed.append(given[2])
        )
        for text in (
            _ranges(count, "town", "staff"),
            _ranges(count, "town", "public"),
            _ranges(count, "zone", "public"),
            _ranges(0, "", ""),
        ):
            assert _send(made, path, text).status_code == 200
        counts.append(sum(statement.startswith("SELECT") for statement in statements))
        if path.endswith("apply"):
            entries = made.done("GET", "/v1/audit?limit=200&object=range/default/2001:db8:4::/48")["items"]
            assert [entry["act"] for entry in entries] == [
                "range.remove",
                "range.register",
                "range.remove",
                "range.change",
                "range.register",
            ]
            assert made.done("GET", "/v1/ranges")["items"] == []
        made.database.close()
    assert counts[0] == counts[1]


@pytest.mark.parametrize("path", ["/v1/policy/diff", "/v1/policy/apply"])
def test_a_file_is_read_before_the_transaction_begins(plane: Plane, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    writing = plane.database.writing

    def parse(*arguments: Any, **options: Any) -> Any:
        order.append("parse")
        return parse_loaded(*arguments, **options)

    def write() -> Any:
        order.append("write")
        return writing()

    plane.done("GET", "/v1/self")  # The first use of a token on a day is stored.
    monkeypatch.setattr(service, "parse_loaded", parse)
    monkeypatch.setattr(plane.database, "writing", write)
    assert _send(plane, path, FILE).status_code == 200
    assert order == ["parse", "write"]


@pytest.mark.parametrize(("bound", "status"), [(10, 200), (9, 422)])
def test_a_file_with_too_many_objects_is_refused(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, bound: int, status: int
) -> None:
    monkeypatch.setattr(service, "MAX_OBJECTS", bound)
    response = _send(plane, "/v1/policy/diff", FILE)
    assert response.status_code == status, response.text
    if status == 422:
        assert response.json()["faults"] == [
            {"location": "policy.toml", "message": "has 10 objects: at most 9 can be applied at once"}
        ]


def test_a_file_is_loaded_into_an_empty_database_only(loaded: Plane, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(FILE)
    assert not load_into_empty(loaded.app.state.runtime, path)
    assert loaded.revision() == 1


def test_a_faulty_file_is_not_loaded_at_all(plane: Plane, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(FILE.replace('kind = "police_zone"', 'kind = "club"'))
    with pytest.raises(ConfigError, match="kind"):
        load_into_empty(plane.app.state.runtime, path)
    assert plane.done("GET", "/v1/authorities")["items"] == []


VERDICTS = [
    ("127.0.0.1", "brussels-city", "refuse", 15),
    ("127.0.1.9", "federal", "refuse", 15),
    ("127.0.2.9", "brussels-city", "refuse", 15),
    ("127.0.12.9", "brussels-city", "refuse", 15),
    ("127.0.22.9", "brussels-city", "pass", None),
    ("127.0.3.9", "brussels-region", "refuse", 15),
    ("127.0.14.9", "police-brussels-capital-ixelles", "refuse", 16),
    ("127.0.4.9", "police-brussels-capital-ixelles", "pass", None),
    ("127.0.5.9", "ghent", "refuse", 15),
    ("127.0.25.9", "ghent", "pass", None),
    ("127.0.7.9", "mechelen", "refuse", 15),
    ("127.0.8.9", "diest", "monitor", None),
    ("127.0.99.9", None, "refuse", 18),
    ("::ffff:127.0.5.9", "ghent", "refuse", 15),
]


def test_the_example_decides_as_it_is_described(belgium: Plane) -> None:
    seen = []
    for client, *_ in VERDICTS:
        answer = belgium.done("GET", f"/v1/decision?client={client}&name=www.TikTok.com.")
        seen.append((client, answer["authority"], answer["verdict"], answer["ede"]))
    assert seen == VERDICTS


def test_who_names_range_authority_contact_and_bans(belgium: Plane) -> None:
    answer = belgium.done("GET", "/v1/who?address=127.0.4.9")
    assert (answer["range"]["prefix"], answer["authority"]) == ("127.0.4.0/24", "police-brussels-capital-ixelles")
    assert "@" in answer["contact"]
    assert [(item["ban"], item["bound"], item["standing"]) for item in answer["bans"]] == [
        ("brussels-region/tiktok", True, "exempted")
    ]
    nobody = belgium.done("GET", "/v1/who?address=127.0.99.9")
    assert (nobody["range"], nobody["authority"], nobody["contact"], nobody["bans"]) == (None, None, None, [])


@pytest.mark.parametrize(
    "query", ["client=elsewhere&name=a.example", "client=fe80::1%25eth0&name=a", "client=192.0.2.1&name=a..b", "name=a"]
)
def test_a_faulty_question_is_refused(untouched: Plane, query: str) -> None:
    assert untouched.call("GET", f"/v1/decision?{query}").status_code == 422
