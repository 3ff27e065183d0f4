"""Clients of refused queries, before a worker reports them."""

from dnsfilter.engine.refused_clients import MOST_REFUSED, RefusedClient, RefusedClients
from dnsfilter.telemetry.metrics import BanGround
from dnsfilter.telemetry.policy_words import BanCount

BAN = BanCount("ghent", "tiktok", "ghent", BanGround.OWN)
CLIENT = bytes(4)


def test_queries_of_a_client_and_a_ban_are_added_until_they_are_taken() -> None:
    clients = RefusedClients()
    for client in (CLIENT, CLIENT, bytes(16)):
        clients.note(client, BAN)
    clients.note(CLIENT, BAN._replace(service="capcut"))
    assert clients.left[0] == MOST_REFUSED - 4
    assert list(clients.take()) == [
        RefusedClient(CLIENT, "ghent", "tiktok", "ghent", "own", 2),
        RefusedClient(bytes(16), "ghent", "tiktok", "ghent", "own", 1),
        RefusedClient(CLIENT, "ghent", "capcut", "ghent", "own", 1),
    ]
    assert (list(clients.take()), clients.left[0]) == ([], MOST_REFUSED)


def test_no_more_are_noted_than_there_is_room_for() -> None:
    clients = RefusedClients()
    for _ in range(MOST_REFUSED + 9):
        clients.note(CLIENT, BAN)
    assert [one.queries for one in clients.take()] == [MOST_REFUSED]
