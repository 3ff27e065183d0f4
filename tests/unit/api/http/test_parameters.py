"""Every route and filter refuses unknown parameters and names, and suggests similar ones."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from api.application import routes
from api.audit.acts import ACTS
from api.auth.roles import OWN_APPROVERS, RoleScope
from api.http.routes import Route
from api.nodes.service import LOCAL_ACTS
from dnsfilter.policy.model import Mode
from tests.unit.api.conftest import Plane, authority, on_both_databases

UNKNOWN = {
    "authority": ("twon", 'No authority "twon". Did you mean "town"?'),
    "site": ("defalt", 'No site "defalt". Did you mean "default"?'),
    "service": ("alhpa", 'No service "alhpa". Did you mean "alpha"?'),
    "ban": ("town/alhpa", 'No ban "town/alhpa". Did you mean "town/alpha"?'),
    "follows": ("town/alhpa", 'No ban "town/alhpa". Did you mean "town/alpha"?'),
    "list": ("town/apps", 'No prohibited list "town/apps". See dnsfilterctl prohibited-list list.'),
    "act": ("ban.set_of", 'No act "ban.set_of". Did you mean "ban.set_off"?'),
    "account": ("99", "No account 99. See dnsfilterctl account list."),
    "login": ("administrater", 'No account "administrater". Did you mean "administrator"?'),
}
OF_WORDS = {"category", "state", "mode", "verdict", "kind", "funding", "audience", "sort", "by", "format"}
FREE = {
    "limit",
    "cursor",
    "object",
    "since",
    "until",
    "group",
    "behind",
    "own",
    "mine",
    "lacking",
    "from",
    "to",
    "after",
    "ended",
    "waiting",
    "valid",
    "tier",
    "matching",
    "numbers",
}
"""Parameters of lists whose values are not names."""
LENIENT = (RoleScope.OPEN, RoleScope.ENROLMENT, RoleScope.NODE)
"""Probes and nodes of other versions may send more."""
_FAMILIES = {act.partition(".")[0] for act in ACTS}


def _lists() -> Iterator[Route]:
    for route in routes():
        if "cursor" in route.parameters:
            yield route


def _path(route: Any) -> str:
    filled = re.sub(r"\{(slug|authority)\}", "town", route.path_format)
    return re.sub(r"\{\w+\}", "1", filled)


def _faults(response: httpx.Response) -> dict[str, str]:
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    return {fault["location"]: fault["message"] for fault in response.json()["faults"]}


def _with_all_roles(town: Plane) -> str:
    """Return the token of an administrator who is approver of an authority too."""
    return town.account("everything", ("administrator", None), ("approver", "town"))[1]


@pytest.mark.heavy
def test_every_route_refuses_undeclared_parameters_after_the_permission_check(town: Plane) -> None:
    enrolling = town.done("POST", "/v1/nodes", {"name": "office-1"})["enrolment_token"]
    headers = {"Authorization": f"Bearer {town.done('POST', '/v1/nodes', {'name': 'office-2'})['enrolment_token']}"}
    node = town.done("POST", "/v1/nodes/enrol", {"version": "1"}, headers=headers)["token"]
    tokens = {RoleScope.ENROLMENT: enrolling, RoleScope.NODE: node}
    everything = _with_all_roles(town)
    revision, asked = town.revision(), set[str]()
    for route in routes():
        where = route.rule.where
        method = min(route.methods or ())
        path = f"{_path(route)}?zzzz=1"
        asked.add(route.operation_id or "")
        answer = town.call(method, path, token=tokens.get(where, everything))
        if where in LENIENT:
            assert "query.zzzz" not in answer.text, path
            continue
        found = _faults(answer)
        assert found.keys() == {"query.zzzz"}, path
        taken = ", ".join(sorted(route.parameters))
        assert found["query.zzzz"] == f"unknown parameter. This request takes {taken or 'none'}.", path
        assert town.call(method, path, headers={}).status_code == 401, path
    assert (asked, town.revision()) == ({route.operation_id for route in routes()}, revision)


def test_a_parameter_that_is_given_twice_is_refused(town: Plane) -> None:
    found = _faults(town.call("GET", "/v1/bans?authority=town&authority=zone&state=in_force"))
    assert found == {"query.authority": "given 2 times: give it once"}


def test_unknown_parameters_are_named_up_to_a_limit(town: Plane) -> None:
    found = _faults(town.call("GET", "/v1/bans?autority=town&servce=alpha&state=in_force"))
    assert found == {
        "query.autority": 'unknown parameter. Did you mean "authority"?',
        "query.servce": 'unknown parameter. Did you mean "service"?',
    }
    many = "&".join(f"x{number}=1" for number in range(500))
    assert len(_faults(town.call("GET", f"/v1/self?{many}"))) == 20
    assert len(town.call("GET", f"/v1/self?{'x' * 8000}=1").text) < 1000


@on_both_databases
def test_every_filter_refuses_unknown_names_and_suggests_a_similar_one(town: Plane) -> None:
    seen, token = set(), _with_all_roles(town)
    for route in _lists():
        for name in sorted(route.parameters - OF_WORDS - FREE):
            seen.add(name)
            value, message = UNKNOWN[name]
            if name == "authority" and route.rule.roles == OWN_APPROVERS:
                continue  # nobody is approver of an unknown authority
            found = _faults(town.call("GET", f"{_path(route)}?{name}={value}", token=token))
            assert found == {f"query.{name}": message}, route.path
    assert seen == UNKNOWN.keys()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/v1/bans?state=in_forc", 'Did you mean "in_force"?'),
        ("/v1/bans?mode=enfroce", 'Did you mean "enforce"?'),
        ("/v1/ranges?funding=publik", 'Did you mean "public"?'),
        ("/v1/authorities?kind=municipalty", 'Did you mean "municipality"?'),
        ("/v1/services?category=shoping", 'Did you mean "shopping"?'),
        ("/v1/bans?state=qqq", "'in_force'"),
    ],
)
def test_an_unknown_word_is_refused_with_a_suggestion(untouched: Plane, path: str, text: str) -> None:
    (message,) = _faults(untouched.call("GET", path)).values()
    assert text in message


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/v1/authorities/twon", 'No authority "twon". Did you mean "town"?'),
        ("/v1/authorities/qqqqqqq", 'No authority "qqqqqqq". See dnsfilterctl authority list.'),
        ("/v1/authorities/twon/bans", 'No authority "twon". Did you mean "town"?'),
        ("/v1/authorities/twon/bans/alpha/reach", 'No authority "twon". Did you mean "town"?'),
        ("/v1/authorities/town/bans/alhpa", 'town has no ban on alhpa. Did you mean "alpha"?'),
        ("/v1/authorities/town/bans/beta", "town has no ban on beta."),
        ("/v1/sites/defualt", 'No site "defualt". Did you mean "default"?'),
        ("/v1/services/alhpa", 'No service "alhpa". Did you mean "alpha"?'),
        ("/v1/who?address=192.0.2.1&site=defualt", 'No site "defualt". Did you mean "default"?'),
    ],
)
def test_an_unknown_name_in_a_path_gets_a_suggestion(untouched: Plane, path: str, text: str) -> None:
    response = untouched.call("GET", path)
    assert (response.status_code, response.json()["detail"]) == (404, text)


@pytest.mark.parametrize("act", ["ba", "b%25", "_", "ban.", "bans.adopt", "x" * 64])
def test_a_part_of_an_act_s_name_or_a_wildcard_is_refused(untouched: Plane, act: str) -> None:
    (message,) = _faults(untouched.call("GET", f"/v1/audit?act={act}")).values()
    assert message.startswith("No act ")


def test_known_names_filter_a_list_even_if_nothing_is_found(town: Plane) -> None:
    for query in ("authority=zone", "service=beta", "follows=town/alpha", "state=lapsed"):
        assert town.done("GET", f"/v1/bans?{query}")["items"] == []
    for query in ("act=ban.renew", "act=exemption", "account=1&act=ban", "account=0&act=ban"):
        assert isinstance(town.done("GET", f"/v1/audit?{query}")["items"], list)


def test_acts_of_an_authority_that_was_removed_are_still_found(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/gone", authority())
    town.done("DELETE", "/v1/authorities/gone")
    acts = town.done("GET", "/v1/audit?authority=gone")["items"]
    assert [act["act"] for act in acts] == ["authority.remove", "authority.register"]


def test_a_filter_by_account_reveals_accounts_only_to_those_who_may_list_them(town: Plane) -> None:
    number, reader = town.account("reader", ("reader", "town"))
    there, _ = town.account("elsewhere", ("reader", "zone"))
    for path in ("/v1/audit", "/v1/grants"):
        answers = [town.call("GET", f"{path}?account={account}", token=reader) for account in (there, 99)]
        assert [(answer.status_code, answer.json()["items"]) for answer in answers] == [(200, []), (200, [])]
        assert town.call("GET", f"{path}?account={number}", token=reader).status_code == 200
    for login in ("elsewhere", "elsewhero"):
        assert town.done("GET", f"/v1/accounts?login={login}", token=reader)["items"] == []


def test_an_unknown_field_of_a_body_is_refused(town: Plane) -> None:
    found = _faults(town.call("PATCH", "/v1/authorities/town/bans/alpha", {"mod": "off"}))
    assert found == {"body.mod": "there is no such field"}


@pytest.mark.heavy
def test_every_recorded_act_can_be_filtered_by() -> None:
    named = set(LOCAL_ACTS) | {f"ban.set_{mode}" for mode in Mode}
    for path in Path(api.__path__[0]).rglob("*.py"):
        if "ctl" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                first = node.args[0] if node.args else None
                if called in ("record", "note", "Act") and isinstance(first, ast.Constant):
                    named.add(str(first.value))
            if isinstance(node, ast.Constant) and re.fullmatch(r"[a-z]+\.[a-z_]*[a-z]", str(node.value)):
                named |= {str(node.value)} if str(node.value).partition(".")[0] in _FAMILIES else set()
    # A file, and an event that is no act.
    assert named - {"policy.toml", "notice.node_silent"} <= ACTS
