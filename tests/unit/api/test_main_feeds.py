"""The process fetches feeds with its settings, and its metrics show how they do."""

import re
import time
from pathlib import Path

import httpx
import pytest

from tests.support.control_planes import serving
from tests.support.ports import free_port
from tests.unit.api.conftest import authority

pytestmark = pytest.mark.heavy
SERVICE = "/v1/authorities/town/services/games"


def test_a_file_is_fetched_and_counted(tmp_path: Path) -> None:
    port, metrics_port, lists = free_port(), free_port(), tmp_path / "lists"
    lists.mkdir()
    (lists / "games.txt").write_text("games.example.org\nplay.example.org\n")
    options = {
        "--state-dir": tmp_path / "state",
        "--listen": f"127.0.0.1:{port}",
        "--metrics-listen": f"127.0.0.1:{metrics_port}",
        "--feed-dir": lists,
    }
    words = [str(word) for pair in options.items() for word in pair]
    with serving(["--create", *words], tmp_path / "log"):
        headers = {"Authorization": f"Bearer {(tmp_path / 'state/admin-token').read_text().strip()}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            assert client.put("/v1/authorities/town", json=authority()).status_code == 201
            service = {"name": "Games", "domains": ["games.example.org"]}
            assert client.put(SERVICE, json=service).status_code == 201
            assert client.put(f"{SERVICE}/feed", json={"source": "games.txt"}).status_code == 201
            until = time.monotonic() + 60
            while client.get(f"{SERVICE}/feed").json()["good"] is None:
                assert time.monotonic() < until, client.get(f"{SERVICE}/feed").text
                time.sleep(0.1)
            names = client.get("/v1/services/town:games").text
            metrics = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics").text
    assert "play.example.org" in names
    assert re.search(r'^dnsfilter_api_feed_age_seconds\{authority="town",service="town:games"\} \d', metrics, re.M)
    assert 'dnsfilter_api_feed_failures_total{reason="file"} 0\n' in metrics
