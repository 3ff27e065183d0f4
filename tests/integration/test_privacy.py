"""A client that queries a node of an authority is found nowhere afterwards, and its authority's totals are small."""

import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_planes import Api
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually

CLIENT = "127.0.8.77"
"""An address of Diest, which monitors TikTok and refuses nothing."""
NAME = "www.tiktok.com"
OTHER = "private-matter.example.org"
QUERIES = 3


def _call(api: Api, method: str, path: str, value: object = None) -> Any:
    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{api.url}{path}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return bytes(answer.read()).decode()


def _kept(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each file below a directory and its content: databases and their logs, journals, snapshots, log lines."""
    for path in directory.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path / "plane", EXAMPLE.read_text()) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path, api: Api, authority: Knot) -> Node:
    """Return a stopped node with a one-time token."""
    invited = _call(api, "POST", "/v1/nodes", {"name": "office-1"})["enrolment_token"]
    directory = tmp_path / "resolver"
    config = f'[control_plane]\nurl = "{api.url}"\ntoken = "token"\n'
    made = Node(directory, authority.hostport, policy=None, config=config)
    (directory / "token").write_text(invited)
    return made


def _usage(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _call(api, "GET", "/v1/usage?authority=diest")["items"]
    return found


def _states(api: Api) -> dict[str, list[str]]:
    """Return the states of the ranges of an authority whose client has asked, and of another."""
    found = {slug: _call(api, "GET", f"/v1/coverage?authority={slug}")["items"] for slug in ("diest", "mechelen")}
    return {slug: [item["state"] for item in items] for slug, items in found.items()}


def _query(node: Node) -> None:
    for _ in range(QUERIES):
        assert node.dig(NAME, bind=CLIENT).rcode == "NOERROR"
    node.dig(OTHER, bind=CLIENT)
    node.dig("health.dnsfilter.internal", bind=CLIENT)


def _reported(node: Node, api: Api) -> None:
    """Wait until the node has reported: a stop then sends what it has counted since."""
    assert eventually(lambda: _call(api, "GET", "/v1/nodes/office-1")["seen"] is not None, 30)
    assert node.stop() == 0


def test_client_is_found_nowhere_and_its_authority_has_a_small_total(tmp_path: Path, api: Api, node: Node) -> None:
    with node:
        _query(node)
        pages = _text(f"http://{node.metrics_address}/metrics")
        _reported(node, api)
    assert eventually(lambda: bool(_usage(api)), 20)
    (counted,) = _usage(api)
    assert (counted["result"], counted["queries"], counted["below"]) == ("monitored", None, 5)
    shown = [_call(api, "GET", f"/v1/usage?authority=diest&by={by}") for by in ("day", "hour", "range")]
    assert [page["items"] for page in shown[1:]] == [[], []]
    assert _states(api) == {"diest": ["asking"], "mechelen": ["never"]}
    assert api.stop() == 0
    traces = (CLIENT.encode(), OTHER.encode(), ip_address(CLIENT).packed, json.dumps(OTHER).encode())
    kept = dict(_kept(tmp_path))
    assert {"dnsfilter.sqlite3", "node.log", "api.log"} <= {path.name for path in kept}
    found = [path for path, content in kept.items() for trace in traces if trace in content]
    assert found == []
    assert [trace for trace in (CLIENT, OTHER, "127.0.8.") if trace in pages or trace in json.dumps(shown)] == []


def test_nothing_is_counted_at_level_none(api: Api, node: Node) -> None:
    reason = {"usage": "none", "reason": "the city counts nothing"}
    assert _call(api, "PATCH", "/v1/authorities/diest/usage", reason)["usage"] == "none"
    with node:
        _query(node)
        page = _text(f"http://{node.metrics_address}/metrics")
        _reported(node, api)
    assert 'authority="diest"' not in page
    assert _usage(api) == []
    assert _states(api)["diest"] == ["not_counted"]
    assert api.stop() == 0
    assert _counts(api.state) == 0


def _counts(state: Path) -> int:
    """Return how many rows of usage the database has."""
    tables = "usage_days", "usage_hours", "bypass_days", "coverage", "coverage_days"
    with closing(sqlite3.connect(state / "dnsfilter.sqlite3")) as connection:
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
