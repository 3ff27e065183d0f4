"""Acts in the control plane and their effect on answers, with real programs, dig and requests."""

import os
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.knot import Knot
from tests.support.nodes import SingleMachine, eventually, scrape, status_of

GHENT_REFUSED = 'dnsfilter_refused_total{authority="ghent",service="tiktok"}'


class Administrator:
    """A client of the API with the administrator's token, or with another one."""

    def __init__(self, machine: SingleMachine, token: str | None = None) -> None:
        token = token or (machine.state / "admin-token").read_text().strip()
        self._client = httpx.Client(base_url=machine.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:
        response = self._client.request(method, path, json=body, params=query)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def token_of(self, login: str, role: str, authority: str) -> str:
        """Create an account with one role. Return its token."""
        account = self("POST", "/v1/accounts", {"kind": "service", "login": login, "name": login})["number"]
        self("POST", "/v1/grants", {"account": account, "role": role, "authority": authority, "reason": "for a test"})
        made = self("POST", f"/v1/accounts/{account}/tokens", {"label": "test", "for": "1 day"})
        return str(made["token"])

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def administrator(fresh_machine: SingleMachine) -> Iterator[Administrator]:
    client = Administrator(fresh_machine)
    yield client
    client.close()


def rcode(machine: SingleMachine, client: str, name: str = "www.tiktok.com") -> str:
    return machine.dig(name, bind=client).rcode


def until_in_force(machine: SingleMachine) -> None:
    """Wait until the resolver uses the newest revision of the control plane."""
    newest = scrape(f"127.0.0.1:{machine.api_metrics_port}")["dnsfilter_api_database_revision"]
    expected = [f'"revision={newest:.0f}"']
    assert eventually(
        lambda: machine.dig("health.dnsfilter.internal", "TXT", bind="127.0.5.10").rdata("TXT") == expected
    ), f"the resolver does not answer {expected}"


def test_the_resolver_outlives_the_api_and_ends_a_term_at_its_instant(
    fresh_machine: SingleMachine, administrator: Administrator
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    administrator(
        "POST", "/v1/authorities/ghent/bans/tiktok/end", {"at": end.isoformat(), "reason": "the council withdrew it"}
    )
    until_in_force(fresh_machine)
    os.kill(fresh_machine.child("dnsfilter-api"), signal.SIGKILL)
    assert eventually(lambda: status_of(f"{fresh_machine.api_url}/healthz") is None)
    assert rcode(fresh_machine, "127.0.5.10") == "REFUSED"
    assert eventually(lambda: datetime.now(UTC) >= end)
    assert rcode(fresh_machine, "127.0.5.10") == "NOERROR"
    counted = fresh_machine.metrics()
    ghents = {name: value for name, value in counted.items() if 'authority="ghent"' in name}
    assert counted[GHENT_REFUSED] == 1
    assert rcode(fresh_machine, "127.0.5.10") == "NOERROR"
    assert {name: value for name, value in fresh_machine.metrics().items() if 'authority="ghent"' in name} == ghents
    assert rcode(fresh_machine, "127.0.7.10") == "REFUSED"


def test_a_bound_ban_still_refuses_where_the_own_one_is_exempted(
    fresh_machine: SingleMachine, administrator: Administrator
) -> None:
    binding = administrator(
        "POST",
        "/v1/bindings",
        {
            "ban": "brussels-region/tiktok",
            "authority": "ghent",
            "ground": "agreement",
            "instrument": "EXAMPLE-AGR-1",
            "date": "2026-09-01",
            "for": "3 months",
        },
    )
    assert rcode(fresh_machine, "127.0.5.10") == "REFUSED"
    assert [error.code for error in fresh_machine.dig("www.tiktok.com", bind="127.0.5.10").ede] == [15]
    administrator("POST", f"/v1/bindings/{binding['number']}/accept", {})
    operator = Administrator(fresh_machine, administrator.token_of("ict-desk", "operator", "ghent"))
    exemption = operator(
        "POST",
        "/v1/exemptions",
        {"ban": "ghent/tiktok", "ranges": ["127.0.5.0/24"], "for": "1 month", "reason": "election information"},
    )
    # Together with the policy's exemption in set hours it covers all of Ghent. An approver may therefore not decide it.
    administrator("POST", f"/v1/exemptions/{exemption['number']}/approve", {})
    operator.close()
    until_in_force(fresh_machine)
    result = fresh_machine.dig("www.tiktok.com", bind="127.0.5.10")
    assert (result.rcode, [error.code for error in result.ede]) == ("REFUSED", [16])
    explained = fresh_machine.ctl("explain", "127.0.5.10", "www.tiktok.com")
    assert explained.returncode == 0
    assert "ghent/tiktok" in explained.stdout
    assert "brussels-region/tiktok" in explained.stdout
    decision = administrator("GET", "/v1/decision", client="127.0.5.10", name="www.tiktok.com")
    assert (decision["verdict"], decision["ede"]) == ("refuse", 16)
    assert {row["ban"]: row["standing"] for row in decision["rows"]} == {
        "ghent/tiktok": "exempted",
        "brussels-region/tiktok": "in_force",
    }


def test_the_token_is_its_owner_s_alone_and_guards_the_api(machine: SingleMachine) -> None:
    token = machine.state / "admin-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    secret = token.read_text().strip()
    assert secret not in machine.log.read_text()
    for path in ("/healthz", "/readyz", "/version", "/openapi.json", "/docs"):
        assert status_of(machine.api_url + path) == 200
    for path in ("/v1/authorities", "/v1/bans", "/v1/decision?client=127.0.0.1&name=x", "/v1/audit"):
        assert status_of(machine.api_url + path) == 401


def test_the_example_is_loaded_into_an_empty_database_only(tmp_path: Path, authority: Knot) -> None:
    machine = SingleMachine(tmp_path, authority.hostport)
    with machine:
        assert machine.ctl("ban", "set", "mechelen", "tiktok", "--mode", "off").returncode == 0
        exported = machine.ctl("policy", "export").stdout
    with machine:
        until_in_force(machine)
        assert rcode(machine, "127.0.7.10") == "NOERROR"
        assert machine.ctl("policy", "export").stdout == exported


def test_an_exported_policy_shows_no_difference_and_applies_as_nothing(machine: SingleMachine, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(machine.ctl("policy", "export").stdout)
    revision = scrape(machine.metrics_address)["dnsfilter_snapshot_revision"]
    assert machine.ctl("policy", "diff", str(file)).returncode == 0
    assert machine.ctl("policy", "apply", str(file)).returncode == 0
    assert scrape(machine.metrics_address)["dnsfilter_snapshot_revision"] == revision
    file.write_text(file.read_text().replace('mode = "monitor"', 'mode = "off"', 1))
    assert machine.ctl("policy", "diff", str(file)).returncode == 1


def test_ctrl_c_stops_everything_cleanly(tmp_path: Path, authority: Knot) -> None:
    machine = SingleMachine(tmp_path, authority.hostport).start()
    parts = [machine.child("dnsfilter-api"), machine.child("dnsfilter serve")]
    assert machine.process is not None
    machine.process.send_signal(signal.SIGTERM)  # a second signal changes nothing
    assert machine.stop(signal.SIGINT) == 0
    assert all(not Path(f"/proc/{pid}").exists() for pid in parts)
    assert "Traceback" not in machine.log.read_text()
