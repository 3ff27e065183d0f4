"""A running API serves exactly the metrics of its table, with their labels."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.server.metrics.metric_table import API_METRICS
from dnsfilter.telemetry.metrics import Metric, MetricType
from tests.support.certificates import Authority
from tests.support.components import component
from tests.support.control_planes import serving
from tests.support.nodes import eventually
from tests.support.ports import free_port
from tests.unit.api.conftest import authority, ban
from tests.unit.api.nodes.conftest import report

pytestmark = pytest.mark.heavy
RANGE = "192.0.2.0/24"


def test_every_metric_of_the_table_is_served_with_its_labels(tmp_path: Path) -> None:
    port, metrics, state = free_port(), free_port(), tmp_path / "state"
    issuer, files = Authority(tmp_path / "ca"), (tmp_path / "cert.pem", tmp_path / "key.pem")
    issuer.issue(*files)
    (tmp_path / "games.txt").write_text("games.example.org\nplay.example.org\n")
    options = {
        "--state-dir": state,
        "--listen": f"127.0.0.1:{port}",
        "--metrics-listen": f"127.0.0.1:{metrics}",
        "--notices-mail": f"smtp://127.0.0.1:{free_port()}?from=dns@example.org&to=network@example.org",
        "--checkpoint-file": tmp_path / "checkpoints",
        "--events-file": tmp_path / "events",
        "--feed-dir": tmp_path,
        "--tls-certificate": files[0],
        "--tls-key": files[1],
    }
    with serving(["--create", *(str(word) for pair in options.items() for word in pair)], tmp_path / "log"):
        headers = {"Authorization": f"Bearer {(state / 'admin-token').read_text().strip()}"}
        trusting = ssl.create_default_context(cafile=issuer.ca)
        with httpx.Client(base_url=f"https://127.0.0.1:{port}/v1", headers=headers, verify=trusting) as client:
            _act(client)
        url = f"http://127.0.0.1:{metrics}/metrics"
        # A receiver of events has a series from the first attempt to serve it.
        assert eventually(lambda: 'receiver="file"' in httpx.get(url).text)
        # A feed has brought a new name.
        assert eventually(lambda: 'dnsfilter_pending_names{authority="town"} 1' in httpx.get(url).text)
        text = httpx.get(url).text
    checked = component("promtool").run("check", "metrics", stdin=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert _served(text) == {metric.name: (str(metric.type), metric.help, _labels(metric)) for metric in API_METRICS}


def _act(client: httpx.Client) -> None:
    """Do what every metric needs to have a series."""

    def done(method: str, path: str, json: Any = None, token: str | None = None) -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = client.request(method, path, json=json, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    done("PUT", "/authorities/town", authority())
    done("PUT", f"/ranges/default/{RANGE}", {"authority": "town", "funding": "public", "audience": "staff"})
    done("PUT", "/authorities/town/bans/tiktok", ban(terms=[{"for": "6 months", "review_by": "2199-01-01"}]))
    done("PUT", "/authorities/town/bans/youtube", ban(terms=[{"review_by": "2199-01-01"}]))
    done("PATCH", "/authorities/town/bans/tiktok", {"mode": "off", "mode_reason": "for a test", "for": "2 days"})
    done("PUT", "/authorities/town/services/games", {"name": "Games", "domains": ["games.example.org"]})
    done("PUT", "/authorities/town/services/games/feed", {"source": "games.txt"})
    asked = {"ban": "town/tiktok", "ranges": [RANGE], "for": "30 days", "reason": "for a test"}
    done("POST", "/exemptions", asked)
    done("POST", "/suspensions", {"authority": "town", "for": "30m", "reason": "for a test"})
    done("POST", "/audit/checkpoints")
    done("PUT", "/peers/harbour", {"url": "https://127.0.0.1/v1/register/harbour", "key": "a" * 64})
    invited = done("POST", "/nodes", {"name": "counter", "site": "default"})["enrolment_token"]
    own = done("POST", "/nodes/enrol", {"version": "1"}, token=invited)["token"]
    done("POST", "/nodes/self/report", report(), token=own)
    assert client.get("/services", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/backup").status_code == 200


def _labels(metric: Metric) -> tuple[str, ...]:
    return tuple(sorted(metric.labels))


def _served(text: str) -> Mapping[str, tuple[str, str, tuple[str, ...]]]:
    """Return type, help and labels of each family that has a series, without the times of first requests."""
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == MetricType.COUNTER else family.name
        labels = {tuple(sorted(set(sample.labels) - {"le"})) for sample in family.samples}
        assert len(labels) == 1, name
        found[name] = (family.type, family.documentation, labels.pop())
    return found
