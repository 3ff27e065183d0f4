"""A client that queries a node of an authority is found nowhere afterwards, and its authority's totals are small."""

import json
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.cli.running.last_names import counter_files
from dnsfilter.config.load import load_config
from tests.support.control_planes import Api
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually, program

CLIENT = "127.0.8.77"
"""An address of Diest, which monitors TikTok and refuses nothing."""
NAME = "www.tiktok.com"
NOTED = "127.0.5.77"
"""An address of Ghent, which refuses TikTok."""
UNIQUE = "seldom-asked.tiktok.com"
OTHER = "private-matter.example.org"
QUERIES = 3


def _call(api: Api, method: str, path: str, value: object = None, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token or api.token()}", "Content-Type": "application/json"}
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{api.url}{path}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def _text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
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


def _traces(directory: Path, client: str, name: str) -> list[Path]:
    """Return the files that contain a client's address or a queried name."""
    packed = ip_address(client).packed
    traces = client.encode(), name.encode(), packed, packed.hex().encode(), json.dumps(name).encode()
    kept = dict(_kept(directory))
    assert {"dnsfilter.sqlite3", "node.log", "api.log"} <= {path.name for path in kept}
    return [path for path, content in kept.items() for trace in traces if trace in content]


def _approver(api: Api, authority: str) -> str:
    """Return a token of an approver of the authority."""
    account = _call(api, "POST", "/v1/accounts", {"kind": "service", "login": "approver", "name": "approver"})["number"]
    grant = {"account": account, "role": "approver", "authority": authority, "reason": "for a test"}
    _call(api, "POST", "/v1/grants", grant)
    token = _call(api, "POST", f"/v1/accounts/{account}/tokens", {"label": "test", "for": "1 day"})["token"]
    return str(token)


def _counted(state: Path) -> list[tuple[str, int]]:
    """Return the results and numbers of queries of Diest that the database has."""
    with closing(sqlite3.connect(state / "dnsfilter.sqlite3")) as connection:
        return connection.execute("SELECT result, queries FROM usage_days WHERE authority = 'diest'").fetchall()


def _states(api: Api) -> dict[str, list[str]]:
    """Return the states of the ranges of an authority whose client has asked, and of another."""
    found = {slug: _call(api, "GET", f"/v1/coverage?authority={slug}")["items"] for slug in ("diest", "mechelen")}
    return {slug: [item["state"] for item in items] for slug, items in found.items()}


def _last_names(node: Node) -> subprocess.CompletedProcess[str]:
    command = [program("dnsfilter"), "top", "--names", "--once", "--json", "--config", str(node.config)]
    return subprocess.run(command, capture_output=True, text=True)


def _memory(node: Node) -> bytes:
    """Return the memory that the workers share with `dnsfilter top --names`."""
    return b"".join(path.read_bytes() for path in counter_files(load_config(node.config)))


def _query(node: Node) -> None:
    for _ in range(QUERIES):
        assert node.dig(NAME, bind=CLIENT).rcode == "NOERROR"
    node.dig(OTHER, bind=CLIENT)
    node.dig("health.dnsfilter.internal", bind=CLIENT)


def _reported(node: Node, api: Api) -> None:
    """Wait until the node has reported: a stop then sends what it has counted since."""
    assert eventually(lambda: _call(api, "GET", "/v1/nodes/office-1")["seen"] is not None)
    assert node.stop() == 0


def test_client_is_found_nowhere_and_a_running_day_is_not_shown(tmp_path: Path, api: Api, node: Node) -> None:
    with node:
        _query(node)
        pages = _text(f"http://{node.metrics_address}/metrics")
        noted = {"outcome": "monitored", "authority": "diest", "name": NAME}
        assert json.loads(_last_names(node).stdout) == {"names": [noted]}
        memory, counters = _memory(node), counter_files(load_config(node.config))
        _reported(node, api)
    assert [trace for trace in (CLIENT.encode(), ip_address(CLIENT).packed) if trace in memory] == []
    assert [path for path in counters if path.exists()] == [], "names are gone with the node"
    assert eventually(lambda: _counted(api.state) == [("monitored", QUERIES)])
    shown = [_call(api, "GET", f"/v1/usage?authority=diest&by={by}") for by in ("day", "hour", "range")]
    assert [page["items"] for page in shown] == [[], [], []], "the day is not over"
    assert _states(api) == {"diest": ["asking"], "mechelen": ["never"]}
    assert api.stop() == 0
    assert _traces(tmp_path, CLIENT, OTHER) == []
    assert [trace for trace in (CLIENT, OTHER, "127.0.8.") if trace in pages or trace in json.dumps(shown)] == []


def test_client_at_level_client_has_a_pseudonym_and_its_address_is_nowhere(
    tmp_path: Path, api: Api, node: Node
) -> None:
    approver = _approver(api, "ghent")
    level = {
        "purpose": "find devices that keep asking",
        "decision": "CBS/2026/1234",
        "legal_basis": "a decree",
        "consultation": "DPO/2026/17",
        "until": (datetime.now(UTC) + timedelta(days=30)).date().isoformat(),
    }
    _call(api, "PUT", "/v1/authorities/ghent/client-level", level, approver)
    node.config.write_text(f"recent_names = false\n{node.config.read_text()}")
    with node:
        for _ in range(QUERIES):
            assert node.dig(UNIQUE, bind=NOTED).rcode == "REFUSED"
        assert UNIQUE.split(".")[0].encode() not in _memory(node)
        assert (_last_names(node).returncode, "recent_names is false" in _last_names(node).stderr) == (1, True)
        node.dig(OTHER, bind=NOTED)
        pages = _text(f"http://{node.metrics_address}/metrics")
        _reported(node, api)
    path = "/v1/usage/clients?authority=ghent"
    assert eventually(lambda: bool(_call(api, "GET", path, token=approver)["items"]))
    shown = _call(api, "GET", path, token=approver)["items"]
    assert {(item["service"], item["ban_authority"]) for item in shown} == {("tiktok", "ghent")}
    assert sum(item["queries"] for item in shown) == QUERIES
    (pseudonym,) = {item["client"] for item in shown}
    assert api.stop() == 0
    assert [*_traces(tmp_path, NOTED, OTHER), *_traces(tmp_path, NOTED, UNIQUE)] == []
    holding = {file.name for file, content in _kept(tmp_path) if pseudonym.encode() in content}
    assert holding <= {"dnsfilter.sqlite3", "dnsfilter.sqlite3-wal"}
    assert [trace for trace in (NOTED, OTHER, UNIQUE, "127.0.5.7", pseudonym) if trace in pages] == []


def test_nothing_is_counted_at_level_none(api: Api, node: Node) -> None:
    reason = {"usage": "none", "reason": "the city counts nothing"}
    assert _call(api, "PATCH", "/v1/authorities/diest/usage", reason)["usage"] == "none"
    with node:
        _query(node)
        assert json.loads(_last_names(node).stdout) == {"names": []}
        page = _text(f"http://{node.metrics_address}/metrics")
        _reported(node, api)
    assert 'authority="diest"' not in page
    assert _states(api)["diest"] == ["not_counted"]
    assert api.stop() == 0
    assert _counts(api.state) == 0


def _counts(state: Path) -> int:
    """Return how many rows of usage the database has."""
    tables = "usage_days", "usage_hours", "bypass_days", "coverage", "coverage_days", "usage_clients"
    with closing(sqlite3.connect(state / "dnsfilter.sqlite3")) as connection:
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
