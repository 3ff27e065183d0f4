"""`[clients]` in learning mode: only private prefixes, and only for 30 days."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from dnsfilter.config.client_tables import clients_of, learning_problems
from dnsfilter.config.file_schema import ClientsTable
from dnsfilter.config.node_config import MAX_LEARNING_S, Clients, Unregistered
from dnsfilter.policy.instants import instant_of, parse_written
from tests.unit.config.test_load import load, problems


def table(until: str, allowed: str = '["10.0.0.0/8"]') -> str:
    return f'[clients]\nunregistered = "learn"\nallowed = {allowed}\nlearn_until = {until}\n'


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-03-10", "2026-03-11 00:00"),
        ("2026-03-28", "2026-03-29 00:00"),
        ("2026-03-10T12:00:00", "2026-03-10 12:00"),
        ("2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z"),
    ],
)
def test_learning_ends_after_the_day_or_at_the_time_also_if_that_is_past(
    tmp_path: Path, written: str, end: str
) -> None:
    at = instant_of(parse_written(end), "Europe/Brussels", 0)
    clients = load(tmp_path, table(written)).clients
    assert clients == Clients(Unregistered.LEARN, (ip_network("10.0.0.0/8"),), at)
    client = b"\x0a\0\0\1"
    assert [clients.admits(client, when) for when in (at - 1, at)] == [True, False]
    assert [clients.learns_until(when) for when in (at - 1, at)] == [at, None]
    assert not clients.admits(b"\xc0\0\2\1", at - 1)


def test_refusing_and_resolving_have_no_end() -> None:
    assert clients_of(ClientsTable()).learns_until(0) is None
    resolving = ClientsTable(unregistered="resolve", allowed=["10.0.0.0/8"])  # type: ignore[arg-type,list-item]
    assert clients_of(resolving).admits(b"\x0a\0\0\1", 1 << 40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (table("2026-03-10", "[]"), 'clients.allowed: is required with unregistered = "learn"'),
        ('[clients]\nunregistered = "learn"\nallowed = ["10.0.0.0/8"]', "clients.learn_until: is required with"),
        ("[clients]\nlearn_until = 2026-03-10", 'clients.learn_until: has an effect only with unregistered = "learn"'),
        (table("2026-03-10", '["0.0.0.0/1"]'), "clients.allowed[0]: 0.0.0.0/1 is not private"),
        (table("2026-03-10", '["0.0.0.0/0"]'), "clients.allowed[0]: 0.0.0.0/0 is everybody"),
        (table("2026-03-10", '["192.0.2.0/24"]'), "clients.allowed[0]: 192.0.2.0/24 is not private"),
        (table("2026-03-10", '["fd00::/8", "2000::/3"]'), "clients.allowed[1]: 2000::/3 is not private"),
    ],
)
def test_fault_names_its_place(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert expected in problem


def test_an_end_far_ahead_is_a_problem_for_check_and_loads_nevertheless(tmp_path: Path) -> None:
    clients = load(tmp_path, table("2026-03-10T12:00:00Z")).clients
    until = instant_of(parse_written("2026-03-10T12:00:00Z"), "Europe/Brussels", 0)
    begins = until - MAX_LEARNING_S
    assert learning_problems(clients, begins) == ()
    (problem,) = learning_problems(clients, begins - 1)
    assert "clients.learn_until: is more than 30 days ahead" in str(problem)
    client = b"\x0a\0\0\1"
    assert [clients.admits(client, when) for when in (begins - 1, begins)] == [False, True]
    assert clients.learns_until(begins - 1) is None
