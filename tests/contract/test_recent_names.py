"""Names are noted if they are refused, monitored or failed, for authorities that count anything, without clients."""

from dnsfilter.policy.model import Usage
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.recent_names import KEPT_MINUTES, MOST_NOTED, SLOTS, latest, read_names, refresh
from dnsfilter.wire.names import name_text
from tests.contract.cases import RECORDS, TARGETS, internet, office
from tests.support.engines import BOUND, DIEST, GHENT, MECHELEN, UNREGISTERED, Rig, query
from tests.support.policies import authority, ban, network
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says, silent
from tests.support.starting import Start

BANNED = query("wWw.TikTok.com")
UNRESOLVED_MS = 15_000
each_transport = each_row("transport", tuple(Transport))


def names(rig: Rig, minute: int = 0) -> list[tuple[str, str, str]]:
    """Return outcome, authority and name of each noted name, the latest of each outcome first."""
    found = latest(read_names(rig.counters.names, minute))
    return [(str(each.outcome), each.authority, name_text(each.name)) for each in found]


def open_rings(rig: Rig, minute: int = 0) -> Rig:
    refresh(rig.counters.names, minute)
    return rig


@each_transport
def test_names_are_noted_once_for_each_authority_the_latest_first(start: Start, transport: Transport) -> None:
    rig = open_rings(start(office(), internet()))
    asked = [(BANNED, GHENT), (BANNED, BOUND), (query("tiktok.com", "HTTPS"), GHENT), (BANNED, DIEST), (BANNED, GHENT)]
    for message, client in (*asked, (query("plain.example.org"), GHENT), (BANNED, MECHELEN)):
        rig.ask(message, client, transport)
    assert names(rig) == [
        ("refused", "ghent", "www.tiktok.com"),
        ("refused", "ghent", "tiktok.com"),
        ("refused", "police", "www.tiktok.com"),
        ("monitored", "diest", "www.tiktok.com"),
    ]


@each_row(("name", "qtype"), TARGETS)
@each_transport
def test_of_an_alias_the_queried_name_is_noted(start: Start, name: str, qtype: str, transport: Transport) -> None:
    rig = start(office(), internet())
    for client in (GHENT, DIEST, GHENT, DIEST):
        open_rings(rig)
        rig.ask(query(name, qtype), client, transport)
    assert sorted(names(rig)) == [("monitored", "diest", name), ("refused", "ghent", name)]


@each_transport
def test_failed_names_are_noted_when_they_fail_and_while_they_are_known_to(start: Start, transport: Transport) -> None:
    rig = open_rings(start(office(), Scripted(silent)))
    waits = rig.begin(query("gone.example.org"), GHENT, transport)
    rig.settle()
    rig.pass_time(UNRESOLVED_MS)
    assert waits().rcode() == 2
    assert names(rig) == [("failed", "ghent", "gone.example.org")]
    rig.ask(query("gone.example.org"), DIEST, transport)
    assert names(rig) == [("failed", "diest", "gone.example.org"), ("failed", "ghent", "gone.example.org")]


def test_authority_that_counts_nothing_and_unregistered_clients_leave_nothing(start: Start) -> None:
    levels = [authority(slug, usage=Usage.NONE) for slug in ("ghent", "diest", "mechelen")]
    rig = open_rings(start(office(*levels), Scripted(says(RECORDS))))
    for client in (GHENT, DIEST, MECHELEN, UNREGISTERED):
        for message in (BANNED, query("video.example.org")):
            rig.ask(message, client)
    assert names(rig) == []
    assert b"tiktok" not in rig.counters.names.tobytes()
    rig.ask(BANNED, BOUND)
    assert names(rig) == [("refused", "police", "www.tiktok.com")]


def test_names_of_an_authority_go_when_it_counts_nothing_any_more(start: Start) -> None:
    rig = open_rings(start(office(), internet()))
    for client in (GHENT, BOUND):
        rig.ask(BANNED, client)
    rig.swap(office(authority("ghent", usage=Usage.NONE)))
    assert names(rig) == [("refused", "police", "www.tiktok.com")]
    assert b"ghent" not in rig.counters.names.tobytes()
    rig.ask(query("tiktok.com"), BOUND)
    assert names(rig)[0] == ("refused", "police", "tiktok.com"), "the numbers of authorities have changed"


def test_nothing_is_noted_before_the_rings_are_opened(start: Start) -> None:
    rig = start(office(), internet())
    rig.ask(BANNED)
    assert set(rig.counters.names) == {0}


def test_the_name_noted_longest_ago_gives_way_and_a_flood_is_noted_in_part(start: Start) -> None:
    rig = start(office(), internet())
    for number in range(SLOTS + 2):
        if number % MOST_NOTED == 0:
            open_rings(rig)
        rig.judge(query(f"n{number}.tiktok.com"))
    noted = [name for *_, name in names(rig)]
    assert (len(noted), noted[0], noted[-1]) == (SLOTS, f"n{SLOTS + 1}.tiktok.com", "n2.tiktok.com")
    for number in range(MOST_NOTED):
        rig.judge(query(f"m{number}.tiktok.com"))
    noted = [name for *_, name in names(rig)]
    assert noted[0] == f"m{MOST_NOTED - 3}.tiktok.com", "two were noted since the rings were opened last"
    rig.ask(query("www.tiktok.com"), DIEST)
    assert names(rig)[-1] == ("monitored", "diest", "www.tiktok.com"), "each outcome has room of its own"


def test_a_name_goes_after_its_stay_and_one_that_is_asked_again_stays(start: Start) -> None:
    rig = open_rings(start(office(), internet()), 100)
    for name in ("tiktok.com", "www.tiktok.com"):
        rig.judge(query(name))
    open_rings(rig, 101)
    rig.judge(BANNED)
    last = 100 + KEPT_MINUTES
    assert [name for *_, name in names(rig, last)] == ["www.tiktok.com"]
    open_rings(rig, last)
    assert [name for *_, name in names(rig, last)] == ["www.tiktok.com"]
    open_rings(rig, last + 1)
    assert names(rig, 0) == []
    assert b"tiktok" not in rig.counters.names.tobytes()


def test_longest_name_and_slug_are_noted_complete(start: Start) -> None:
    slug, name = "g" * 63, ".".join(["l" * 63, "m" * 63, "n" * 63, "o" * 50, "tiktok.com"])
    rig = open_rings(start(office(network("127.0.9.0/24", slug), ban(9, slug, "tiktok")), internet()))
    rig.judge(query(name), "127.0.9.1")
    assert names(rig) == [("refused", slug, name)]
