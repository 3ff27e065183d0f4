"""`dnsfilter up` when the control plane does not start: the resolver keeps its policy and reports the problem."""

import sqlite3
from contextlib import closing

import pytest

from tests.support.nodes import SingleMachine, status_of


@pytest.mark.parametrize("content", [b"no database", None])
def test_resolver_starts_if_the_control_plane_cannot(fresh_machine: SingleMachine, content: bytes | None) -> None:
    assert fresh_machine.stop() == 0
    database = fresh_machine.state / "dnsfilter.sqlite3"
    database.unlink()
    if content is not None:
        database.write_bytes(content)
    before = len(fresh_machine.log.read_text())
    fresh_machine.start()
    assert fresh_machine.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"
    assert status_of(f"{fresh_machine.api_url}/healthz") is None
    assert fresh_machine.stop() == 1
    assert (database.read_bytes() if database.exists() else None) == content
    said = fresh_machine.log.read_text()[before:]
    assert "The resolver runs without its control plane" in said
    assert "the resolver ran without a control plane: start control plane: it ended with status" in said


def test_the_resolver_follows_a_control_plane_that_takes_no_act(fresh_machine: SingleMachine) -> None:
    assert fresh_machine.stop() == 0
    with closing(sqlite3.connect(fresh_machine.state / "dnsfilter.sqlite3")) as connection:
        connection.execute("DROP TRIGGER audit_update")
        connection.execute("UPDATE audit SET act = 'altered' WHERE seq = 1")
        connection.commit()
    before = len(fresh_machine.log.read_text())
    fresh_machine.start()
    assert status_of(f"{fresh_machine.api_url}/readyz") == 503
    assert fresh_machine.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"
    assert fresh_machine.stop() == 0
    said = fresh_machine.log.read_text()[before:]
    assert "runs without its control plane" not in said
    assert "this machine is not registered as a node" not in said
