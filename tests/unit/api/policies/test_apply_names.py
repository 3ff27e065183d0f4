"""Names in a policy file: exported, compared, applied, and loaded into an empty database."""

from pathlib import Path
from typing import Any

import pytest

from api.policies.first_policy import load_into_empty
from tests.unit.api.conftest import Plane, make_plane
from tests.unit.api.names.test_service import ALLOW, ALPHA, BELOW, REFUSE, put, verdict
from tests.unit.api.nodes.conftest import Machine

pytestmark = pytest.mark.heavy

TOML = {"Content-Type": "application/toml"}


def _send(plane: Plane, act: str, text: str) -> Any:
    headers = {**TOML, "Authorization": f"Bearer {plane.token}"}
    return plane.call("POST", f"/v1/policy/{act}", content=text, headers=headers)


def _exported(plane: Plane) -> str:
    return plane.call("GET", "/v1/policy").text


def test_export_has_refused_and_allowed_names_and_differs_in_nothing(town: Plane) -> None:
    put(town, "example.com", {**REFUSE, "exact": True})
    put(town, BELOW, {**ALLOW, "for": "7 days"})
    text = _exported(town)
    assert text.count("[[name]]") == 2
    assert 'name = "example.com"\nverdict = "refuse"\nexact = true\n' in text
    assert 'reason = "the tax portal needs it"' in text
    assert _send(town, "diff", text).json() == {"acts": [], "faults": [], "warnings": []}


@pytest.mark.parametrize("change", [{"mode": "monitor"}, {"funding": ["public"]}, {"reply": "nxdomain"}])
def test_refused_name_with_other_fields_is_exported_as_a_ban(town: Plane, change: Any) -> None:
    put(town, "example.com", REFUSE)
    town.done("PATCH", "/v1/authorities/town/bans/example.com", change)
    text = _exported(town)
    assert ("[[name]]" in text, 'service = "example.com"' in text) == (False, True)
    assert _send(town, "diff", text).json()["acts"] == []


def test_names_of_a_file_take_effect_and_are_refused_by_the_guard(town: Plane) -> None:
    text = _exported(town)
    names = f"""
[[name]]
authority = "town"
name = "Example.com"
verdict = "refuse"
start = "today"
for = "7 days"
reason = "phishing"
[[name]]
authority = "town"
name = "{BELOW}"
verdict = "allow"
start = "today"
"""
    applied = _send(town, "apply", text + names)
    assert applied.status_code == 200, applied.text
    assert [act["act"] for act in applied.json()["acts"]] == ["ban.adopt", "name.allow"]
    assert [verdict(town, name) for name in ("www.example.com", BELOW, ALPHA)] == ["refuse", "pass", "refuse"]
    assert town.done("GET", "/v1/authorities/town/names/example.com")["reason"] == "phishing"
    assert town.done("GET", f"/v1/authorities/town/names/{BELOW}")["review_by"] == "2027-03-20T23:00:00Z"
    guarded = _send(town, "diff", text + names.replace("Example.com", "microsoft.com")).json()
    (fault,) = guarded["faults"]
    assert fault["location"] == "policy.toml name[0].name (town)"
    assert "must always be answered" in fault["message"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("www.corp.example.org", "hits corp.example.org, which must always be answered (a conditional zone)"),
        ("example.com", "hits policy.example.com, which must always be answered (the control plane)"),
    ],
)
def test_names_that_nodes_depend_on_are_refused_by_no_file(town: Plane, name: str, message: str) -> None:
    Machine.enrolled(town, "office-1").report(zones=["corp.example.org"], control_plane="policy.example.com")
    town.app.state.fleet.reports.store_due()
    table = f'[[name]]\nauthority = "town"\nname = "{name}"\nverdict = "refuse"\nstart = "today"\n'
    (fault,) = _send(town, "diff", f"{_exported(town)}\n{table}").json()["faults"]
    assert fault["location"] == "policy.toml name[0].name (town)"
    assert message in fault["message"]
    assert _send(town, "apply", f"{_exported(town)}\n{table}").status_code == 422


def test_ban_of_a_file_on_a_name_is_asked_of_the_guard_too(town: Plane) -> None:
    put(town, "digicert.cn", {**REFUSE, "exact": True})
    town.done("PATCH", "/v1/authorities/town/bans/digicert.cn", {"mode": "monitor"})
    text = _exported(town)
    assert _send(town, "diff", text).json()["faults"] == []
    before, _, table = text.partition('service = "digicert.cn"')
    (fault,) = _send(
        town, "diff", f'{before}service = "digicert.cn"{table.replace("tiers = [2]", "tiers = [1]", 1)}'
    ).json()["faults"]
    assert ("service" in fault["location"], "hits crl.digicert.cn" in fault["message"]) == (True, True)


def test_name_that_is_left_out_or_changed_is_a_fault(town: Plane) -> None:
    text = _exported(town)
    put(town, "example.com", REFUSE)
    put(town, BELOW, ALLOW)
    town.clock.now += 60
    full = _exported(town)
    faults = _send(town, "diff", text).json()["faults"]
    assert {fault["location"] for fault in faults} == {"ban/town/example.com", f"name/town/{BELOW}"}
    exact = _send(town, "diff", full.replace('verdict = "allow"', 'verdict = "allow"\nexact = true')).json()["faults"]
    assert f"dnsfilterctl name remove town {BELOW}" in exact[0]["message"]


def test_contradiction_in_a_file_is_named(town: Plane) -> None:
    put(town, "www.example.com", REFUSE)
    text = _exported(town) + '[[name]]\nauthority = "town"\nname = "example.com"\nverdict = "allow"\nstart = "today"\n'
    (fault,) = _send(town, "diff", text).json()["faults"]
    assert "town refuses www.example.com meanwhile" in fault["message"]


def test_names_of_an_export_are_loaded_into_an_empty_database(town: Plane, tmp_path: Path) -> None:
    put(town, "example.com", REFUSE)
    put(town, BELOW, ALLOW)
    file = tmp_path / "policy.toml"
    file.write_text(_exported(town))
    other = make_plane(tmp_path / "other")
    other.clock.now = town.clock.now
    assert load_into_empty(other.app.state.runtime, file)
    other.publisher.publish_current()
    assert [verdict(other, name) for name in ("www.example.com", BELOW, ALPHA)] == ["refuse", "pass", "refuse"]
    assert _exported(other).partition("\n")[2] == _exported(town).partition("\n")[2]
    other.database.close()
