"""Prohibited lists in the policy file: export, diff, apply, and an empty installation that is filled."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from api.db.models import ProhibitedListRow
from api.policies.first_policy import load_into_empty
from tests.unit.api.conftest import Plane, authority, make_plane
from tests.unit.api.lists.conftest import ADOPTION, LIST, acts, technologies, verdict
from tests.unit.api.lists.test_links import AGREEMENT, FOLLOWING, LAW, LINKS, OWN
from tests.unit.api.lists.test_service import ADDITION

pytestmark = pytest.mark.heavy

TERM = '[[list.version.term]]\nstart = "today"\nfor = "6 months"\n'
DECISION = '[list.version.decision]\nreference = "F-{}"\nlegal_basis = "decree"\n'
SHORT = f"""
[[list]]
authority = "federal"
slug = "apps"
title = "Apps"
[[list.version]]
adds = ["tech01", "tech02"]
tiers = [1, 2]
{DECISION.format(1)}{TERM}
"""


def exported(plane: Plane) -> str:
    return plane.call("GET", "/v1/policy").text.partition("\n")[2]


def send(plane: Plane, act: str, text: str) -> Any:
    return plane.call("POST", f"/v1/policy/{act}", {"policy": text})


def filled(plane: Plane, directory: Path) -> Plane:
    """Return a new installation that the export of another one has filled, at the same time."""
    file = directory / "policy.toml"
    file.write_text(exported(plane))
    made = make_plane(directory / "other", technologies())
    made.clock.now = plane.clock.now
    assert load_into_empty(made.app.state.runtime, file)
    made.publisher.publish_current()
    return made


@pytest.fixture
def lived(adopted: Plane) -> Plane:
    """Return a control plane whose lists and links have seen every act."""
    adopted.done("POST", LINKS, LAW)
    adopted.done("POST", f"{LINKS}/{adopted.done('POST', LINKS, FOLLOWING)['number']}/adopt", OWN)
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", ADDITION)
    adopted.clock.now += 60
    adopted.done("POST", f"{LIST}/versions", {"remove": ["tech05"], "reason": "annulled"})
    adopted.done("PATCH", "/v1/authorities/federal/bans/tech03", {"mode": "monitor"})
    adopted.done("POST", f"{LINKS}/1/end", {"reason": "repealed"})
    adopted.clock.now += 60
    agreed = adopted.done("POST", LINKS, AGREEMENT)["number"]
    adopted.done("POST", f"{LINKS}/{agreed}/accept")
    # A list of which a ban was there before, one was removed before it began, and tiers did not fit all services.
    adopted.done("PUT", "/v1/authorities/federal/lists/apps", {"services": ["tech01", "tech02", "tech29", "tech30"]})
    ahead = {**ADOPTION, "tiers": [1, 2], "terms": [{"start": "2027-01-01", "for": "6 months"}]}
    adopted.done("POST", "/v1/authorities/federal/lists/apps/adopt", ahead)
    adopted.done("DELETE", "/v1/authorities/federal/bans/tech30")
    adopted.done("PUT", "/v1/authorities/ghent/lists/planned", {"title": "Planned", "category": "ai"})
    with adopted.database.writing() as session:
        session.execute(
            update(ProhibitedListRow).where(ProhibitedListRow.slug == "planned").values(declined=["newbot"])
        )
    return adopted


@pytest.mark.parametrize("merged", ["federal", "ghent"])
def test_an_export_after_a_merger_fills_an_empty_installation(adopted: Plane, tmp_path: Path, merged: str) -> None:
    adopted.done("PUT", "/v1/authorities/coast", authority())
    adopted.done("POST", LINKS, LAW)
    adopted.clock.now += 60
    body = {"into": "coast", "reason": "they are one", "decision": {"legal_basis": "decree 2", "reference": "C-2"}}
    adopted.done("POST", f"/v1/authorities/{merged}/merge", body)
    other = filled(adopted, tmp_path)
    assert exported(other) == exported(adopted)
    assert send(other, "diff", exported(other)).json() == {"acts": [], "faults": [], "warnings": []}
    assert [verdict(other, "tech26", slug) for slug in ("federal", "ghent")] == ["refuse", "refuse"]
    other.database.close()


def test_a_file_puts_a_ban_on_a_list_by_an_act(federal: Plane) -> None:
    ban = {"decision": ADOPTION["decision"], "terms": ADOPTION["terms"]}
    federal.done("PUT", "/v1/authorities/federal/bans/tech01", ban)
    text = exported(federal) + SHORT
    done = send(federal, "apply", text).json()
    assert [(act["act"], act["object"]) for act in done["acts"]] == [
        ("list.adopt", "list/federal/apps"),
        ("ban.adopt", "ban/federal/tech02"),
    ]
    named = exported(federal).replace(
        'service = "tech01"\nmode = "enforce"\n',
        """service = "tech01"
mode = "enforce"
list = "federal/apps"
list_version = 1
""",
    )
    (act,) = send(federal, "apply", named).json()["acts"]
    assert (act["act"], act["object"], act["after"]["list_version"]) == ("ban.change", "ban/federal/tech01", 1)
    assert federal.done("GET", "/v1/authorities/federal/lists/apps")["services"][0]["from_list"]


def test_an_export_fills_an_empty_installation_which_exports_the_same(lived: Plane, tmp_path: Path) -> None:
    assert 'except = ["tech30"]' in exported(lived)
    other = filled(lived, tmp_path)
    assert exported(other) == exported(lived)
    assert send(other, "diff", exported(other)).json() == {"acts": [], "faults": [], "warnings": []}
    shown = [plane.done("GET", LIST) for plane in (lived, other)]
    for each in shown:
        each.pop("revision")
        for version in each["versions"]:
            version.pop("recorded")
    assert shown[0] == shown[1]
    links = [[(link["ground"], link["state"], link["bound"], link["waiting"]) for link in
              plane.done("GET", LINKS)["items"]] for plane in (lived, other)]  # fmt: skip
    assert links[0] == links[1]
    assert len(links[0][2][2]) == 26
    for owner in ("federal", "ghent", "mechelen"):
        for service in ("tech01", "tech03", "tech05", "tech27", "tech30"):
            assert verdict(other, service, owner) == verdict(lived, service, owner), (owner, service)
    # Acts on a list and on a link concern the bans and bindings that the file brought.
    other.done("PATCH", LIST, {"mode": "off"})
    assert verdict(other, "tech01") == "pass"
    other.done("POST", f"{LINKS}/{other.done('GET', LINKS)['items'][-1]['number']}/end", {"reason": "left"})
    assert other.done("GET", LINKS)["items"][-1]["bound"] == []
    other.database.close()


def test_a_list_of_a_file_makes_its_bans_and_an_added_version_reaches_who_is_bound(federal: Plane) -> None:
    link = '[[list_link]]\nlist = "federal/apps"\nauthority = "ghent"\nground = "law"\ninstrument = "act 1"\n'
    text = f'{exported(federal)}{SHORT}{link}date = "2026-09-01"\nstart = "today"\n'
    done = send(federal, "apply", text)
    assert done.status_code == 200, done.text
    expected = ["list.adopt", "ban.adopt", "ban.adopt", "list_link.bind", "binding.bind", "binding.bind"]
    assert [act["act"] for act in done.json()["acts"]] == expected
    assert [verdict(federal, service, "ghent") for service in ("tech01", "tech02", "tech03")] == [
        "refuse", "refuse", "pass"
    ]  # fmt: skip
    federal.clock.now += 86_400
    more = f'\n[[list.version]]\nadds = ["tech03"]\n{DECISION.format(2)}{TERM}\n'
    known = exported(federal)
    assert send(federal, "diff", known).json()["acts"] == []
    at = known.index("[[list_link]]")
    done = send(federal, "apply", f"{known[:at]}{more}{known[at:]}")
    assert [act["act"] for act in done.json()["acts"]] == ["list.add", "ban.adopt", "binding.bind"], done.text
    assert [verdict(federal, "tech03", slug) for slug in ("federal", "ghent")] == ["refuse", "refuse"]
    ban = federal.done("GET", "/v1/authorities/federal/bans/tech03")
    assert (ban["prohibited_list"], ban["list_version"]) == ("federal/apps", 2)
    assert federal.done("GET", f"{LINKS}/1")["bound"] == ["tech01", "tech02", "tech03"]


@pytest.mark.parametrize(
    ("change", "location", "message"),
    [
        (("2026/1", "2026/7"), "list/federal/prohibited", "which a file repeats unchanged"),
        (("[[list_link]]", "[[list_link]]\n#"), "list_link/1", ""),
        (('category = "ai"', 'category = "ia"'), "list/ghent/planned", 'No category "ia". Categories are'),
    ],
)
def test_what_a_file_cannot_change_is_a_fault(
    adopted: Plane, change: tuple[str, str], location: str, message: str
) -> None:
    adopted.done("POST", LINKS, LAW)
    adopted.done("PUT", "/v1/authorities/ghent/lists/planned", {"category": "ai"})
    text = exported(adopted)
    if message:
        text = text.replace(*change)
    else:
        link, binding = text.index("[[list_link]]"), text.index("[[binding]]")
        text, message = text[:link] + text[binding:].replace('list = "federal/prohibited"\n', ""), "is not in the file"
    faults = send(adopted, "diff", text).json()["faults"]
    assert [fault["message"] for fault in faults if fault["location"] == location and message in fault["message"]]
    assert send(adopted, "apply", text).status_code in (409, 422)


def test_a_prepared_list_that_a_file_lacks_is_removed_and_an_adopted_one_is_a_fault(adopted: Plane) -> None:
    adopted.done("PUT", "/v1/authorities/ghent/lists/planned", {"title": "Planned", "services": ["tech01"]})
    text = exported(adopted)
    planned = text.index('[[list]]\nauthority = "ghent"')
    assert send(adopted, "apply", text[:planned]).status_code == 200
    assert acts(adopted, 2)[0] == ("list.remove", "list/ghent/planned")
    lacks = text[: text.index("[[list]]")].replace('list = "federal/prohibited"\nlist_version = 1\n', "")
    (fault,) = send(adopted, "diff", lacks).json()["faults"]
    assert fault == {
        "location": "list/federal/prohibited",
        "message": "is adopted and not in the file: add it, or end it first",
    }


@pytest.mark.parametrize(
    ("text", "location", "message"),
    [
        (SHORT.replace(TERM, ""), "policy.toml list[0].version[0] (apps, federal)", "has no term"),
        (SHORT.replace("tech02", "tehc02"), "policy.toml list[0].version[0].adds[1] (apps, federal)", "tehc02"),
        (SHORT.replace('legal_basis = "decree"\n', ""), "list/federal/apps", "a ban needs a legal basis"),
    ],
)
def test_a_fault_of_a_list_names_its_table_and_key(federal: Plane, text: str, location: str, message: str) -> None:
    faults = send(federal, "diff", exported(federal) + text).json()["faults"]
    assert [fault for fault in faults if fault["location"].startswith(location) and message in fault["message"]], faults
