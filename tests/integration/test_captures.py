"""A capture on a real node: of one range's clients, until its end, also without the control plane."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_planes import Api
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually

INSIDE, OUTSIDE = "127.0.5.77", "127.0.8.77"
"""An address of Ghent's range, and one of Diest's."""
PLAIN, BANNED = "health.dnsfilter.internal", "www.tiktok.com"


def _call(api: Api, method: str, path: str, value: object = None) -> Any:
    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{api.url}{path}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path / "plane", EXAMPLE.read_text()) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path, api: Api, authority: Knot) -> Iterator[Node]:
    invited = _call(api, "POST", "/v1/nodes", {"name": "office-1"})["enrolment_token"]
    config = f'[control_plane]\nurl = "{api.url}"\ntoken = "token"\n'
    made = Node(tmp_path / "resolver", authority.hostport, policy=None, config=config, workers=2)
    (made.directory / "token").write_text(invited)
    with made:
        yield made


def _query(node: Node) -> None:
    for client in (OUTSIDE, INSIDE):
        for name in (PLAIN, BANNED):
            node.dig(name, bind=client)
            node.dig(name, bind=client, extra=("+tcp",))


def _queries(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if "client" in line]


@pytest.mark.slow
def test_capture_of_a_range_ends_without_the_control_plane_and_is_deleted_by_an_act(api: Api, node: Node) -> None:
    _query(node)
    asked = {"authority": "ghent", "prefix": "127.0.5.0/24", "for": "30s", "reason": "names do not resolve"}
    number = _call(api, "POST", "/v1/captures", asked)["number"]
    file = node.state / "node" / "captures" / f"{number}.jsonl"
    assert eventually(file.exists)
    _query(node)
    assert eventually(lambda: len(_queries(file)) >= 4)
    assert api.stop() == 0
    _query(node)
    assert eventually(lambda: len(_queries(file)) >= 8)
    assert eventually(lambda: '"end"' in file.read_text(), every_s=0.5)
    _query(node)
    found = _queries(file)
    assert len(found) == 8
    assert {line["client"] for line in found} == {INSIDE}
    assert {(line["transport"], line["name"], line["verdict"], line["rcode"]) for line in found} == {
        (transport, name, verdict, rcode)
        for transport in ("udp", "tcp")
        for name, verdict, rcode in ((PLAIN, "pass", "NOERROR"), (BANNED, "refuse", "REFUSED"))
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert node.stop() == 0
    with node, api:
        assert file.exists()
        _call(api, "POST", f"/v1/captures/{number}/end", {"reason": "found it", "delete": True})
        assert eventually(lambda: not file.exists())
    assert list(file.parent.iterdir()) == []
