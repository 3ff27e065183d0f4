"""Files in JSON: the policy and tables of ranges, as generated clients send them."""

import json
from typing import Any

import pytest

from api.policies import service
from tests.unit.api.conftest import Plane

ROW = {"prefix": "192.0.2.0/24", "authority": "town", "funding": "public", "audience": "staff"}
IMPORT, APPLY = "/v1/ranges/import", "/v1/policy/apply"


def _faults(plane: Plane, path: str, body: Any) -> list[tuple[str, str]]:
    response = plane.call("POST", path, body)
    assert response.status_code == 422, response.text
    return [(fault["location"], fault["message"]) for fault in response.json()["faults"]]


def test_the_policy_in_json_is_the_exported_file(town: Plane) -> None:
    exported = town.done("GET", "/v1/policy/json")
    assert exported == {"revision": town.revision(), "policy": town.call("GET", "/v1/policy").text}
    sent = {"policy": exported["policy"]}
    assert town.done("POST", "/v1/policy/diff", sent) == {"acts": [], "faults": [], "warnings": []}
    assert town.done("POST", APPLY, sent) == {"acts": [], "revision": exported["revision"], "warnings": []}


def test_a_policy_in_json_is_applied_like_the_file(town: Plane) -> None:
    file = town.done("GET", "/v1/policy/json")["policy"] + '\n[[site]]\nslug = "hall"\n'
    applied = town.done("POST", APPLY, {"policy": file})
    assert [(act["act"], act["object"]) for act in applied["acts"]] == [("site.register", "site/hall")]
    assert _faults(town, APPLY, {"policy": "[[site]]\nslug = 7\n"})[0][0].startswith("policy.toml site[0].slug")


def test_rows_in_json_are_imported_like_those_of_a_table(town: Plane) -> None:
    new = {**ROW, "prefix": "203.0.113.0/24", "label": "hall"}
    rows = [new, {**ROW, "prefix": "2001:db8:7::/48", "site": "default"}]
    done = town.done("POST", f"{IMPORT}?dry_run=true", {"rows": rows})
    assert (done["registered"], done["dry_run"]) == (2, True)
    done = town.done("POST", IMPORT, {"rows": rows})
    assert [change["object"] for change in done["changes"]] == [
        "range/default/203.0.113.0/24",
        "range/default/2001:db8:7::/48",
    ]
    assert town.done("GET", "/v1/ranges/default/203.0.113.0/24")["label"] == "hall"
    assert town.done("POST", IMPORT, {"rows": rows})["unchanged"] == 2


def test_every_invalid_row_in_json_is_a_fault_with_its_index(town: Plane) -> None:
    rows = [ROW, {**ROW, "prefix": "192.0.2.1/24"}, ROW, {**ROW, "prefix": "192.0.3.0/24", "authority": "nobody"}]
    assert _faults(town, IMPORT, {"rows": rows}) == [
        ("body.rows.1", "prefix: '192.0.2.1/24' has host bits set: write 192.0.2.0/24"),
        ("body.rows.2", "prefix: 192.0.2.0/24 at site default repeats body.rows.0: remove one"),
        ("body.rows.3", "authority nobody is not registered: correct it, or register it first"),
    ]
    [(location, message)] = _faults(town, IMPORT, {"rows": [{**ROW, "funding": "free"}]})
    assert (location, message.startswith("is not one of")) == ("body.rows.0.funding", True)
    assert _faults(town, IMPORT, {"rows": [ROW] * 10_001}) == [("body.rows", "give at most 10000")]


@pytest.mark.parametrize(
    ("content", "location", "message"),
    [
        (b"{", "body", "is not JSON"),
        (b'{"rows": [], "policy": "", "more": 1}', "body.more", "there is no such field"),
        (b'"\xff"', "body", "is not JSON"),
        (b"{}", "body.", "is missing"),
        (b"[" * 100_000, "body", "is not JSON"),
    ],
)
@pytest.mark.parametrize("path", [IMPORT, APPLY])
def test_json_that_does_not_fit_the_model_is_refused_with_the_location(
    untouched: Plane, path: str, content: bytes, location: str, message: str
) -> None:
    headers = {"Authorization": f"Bearer {untouched.token}", "Content-Type": "application/json"}
    response = untouched.call("POST", path, content=content, headers=headers)
    assert response.status_code == 422
    found = [(fault["location"], fault["message"]) for fault in response.json()["faults"]]
    assert any(at.startswith(location) and message in text for at, text in found), found


@pytest.mark.parametrize("path", [IMPORT, APPLY])
def test_json_is_smaller_than_a_file_may_be(town: Plane, path: str) -> None:
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/json"}
    content = json.dumps({"policy": "#" * (1024 * 1024)})
    refused = town.call("POST", path, content=content, headers=headers)
    assert (refused.status_code, "send a larger file as" in refused.json()["detail"]) == (413, True)


def test_many_faults_are_counted_and_the_first_hundred_listed(town: Plane) -> None:
    response = town.call("POST", IMPORT, {"rows": [{}] * 1000})
    problem = response.json()
    assert (response.status_code, len(problem["faults"])) == (422, 100)
    assert problem["detail"].count("is missing") == 100
    assert problem["detail"].endswith("; and 3900 more")


def test_a_body_with_two_content_types_is_read_as_the_one_that_limits_its_size(town: Plane) -> None:
    types = [("Content-Type", "application/json"), ("Content-Type", "text/csv")]
    headers = [("Authorization", f"Bearer {town.token}"), *types]
    response = town.call("POST", IMPORT, content=b'{"rows": []}', headers=headers)
    assert response.status_code == 422, "it is not a table"


def test_json_without_permission_is_not_parsed(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = plane.account("desk")
    monkeypatch.setattr(service, "parse_loaded", None)
    assert plane.call("POST", APPLY, {"policy": "not toml"}, token=token).status_code == 403
    assert plane.call("POST", APPLY, {"shape": "wrong"}, token=token).status_code == 403
    assert plane.call("GET", "/v1/policy/json", token=token).status_code == 403
