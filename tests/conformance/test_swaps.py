"""The policy changes while a question is on its way. The newest policy decides, and no older one has an effect."""

from dataclasses import replace

import dns.rcode

from dnsfilter.policy.model import Mode, Policy, Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import NETWORKS, RECORDS, TIKTOK, internet
from tests.support.engines import GHENT, MECHELEN, data, edes, query
from tests.support.policies import authority, ban, policy, service
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, reply, silent
from tests.support.starting import Start

WEBSITE, VIDEO = "www.tiktok.com", "video.example.org"
HEALTH = "health.dnsfilter.internal"
LEGS = (
    (VIDEO, ("video.example.org. 300 CNAME hop.example.org.",)),
    ("hop.example.org", ("hop.example.org. 300 CNAME www.tiktok.com.",)),
    (WEBSITE, ("www.tiktok.com. 300 A 192.0.2.100",)),
)
each_transport = each_row("transport", tuple(Transport))


def marked(revision: int, mode: Mode = Mode.ENFORCE, kind: Reply = Reply.ADDRESS, *, shifted: bool = False) -> Policy:
    """Return a policy that puts its revision in the text and address of refusals.

    `shifted` adds a service before the others and so renumbers them.
    """
    ghent = replace(
        authority("ghent"), contact=f"r{revision}@example.org", names=(("nl", f"GHENT {revision}"),), languages=("nl",)
    )
    first = (service("capcut", ("cdn.example.org",)),) if shifted else ()
    address = f"203.0.113.{revision}"
    own = ban(1, "ghent", "tiktok", mode, reply=kind, addresses=(address,), reference=f"R{revision}")
    return policy(ghent, *NETWORKS, *first, replace(TIKTOK, name=f"Video {revision}"), own, revision=revision)


def text(revision: int) -> str:
    return f"R{revision}; r{revision}@example.org; Video {revision} geblokkeerd door GHENT {revision}"


@each_transport
@each_row("swap_after", [0, 1, 2])
@each_row("before", [Mode.OFF, Mode.ENFORCE])
def test_a_swap_between_two_legs_of_a_chain_decides_all_who_wait(
    start: Start, before: Mode, swap_after: int, transport: Transport
) -> None:
    held = Scripted(silent)
    rig = start(marked(1, before), held)
    after = Mode.OFF if before is Mode.ENFORCE else Mode.ENFORCE
    clients = [rig.begin(query(VIDEO), client, transport) for client in (MECHELEN, GHENT)]
    for number, (name, lines) in enumerate(LEGS):
        rig.until_asked(number + 1)
        assert held.asked[number].name == name
        if number == swap_after:
            rig.swap(marked(2, after, shifted=True))
            clients.append(rig.begin(query(VIDEO), GHENT, transport))
            rig.settle()
        held.say(held.asked[number], reply(held.asked[number], lines))
    chain = ["CNAME hop.example.org.", "CNAME www.tiktok.com.", "A 192.0.2.100"]
    neighbour, *own = (wait() for wait in clients)
    assert data(neighbour) == chain
    for found in own:
        if after is Mode.OFF:
            assert (data(found), edes(found)) == (chain, [])
        else:
            assert (data(found), edes(found)) == (["A 203.0.113.2"], [(15, text(2)), (4, "")])
    assert len(held.asked) == len(LEGS)


@each_transport
def test_of_several_swaps_while_a_client_waits_the_last_one_counts(start: Start, transport: Transport) -> None:
    held = Scripted(silent)
    rig = start(marked(1, Mode.OFF), held)
    waiting = rig.begin(query(WEBSITE), GHENT, transport)
    rig.until_asked(1)
    for revision in range(2, 10):
        rig.swap(marked(revision, shifted=bool(revision & 1)))
    held.say(held.asked[0], reply(held.asked[0], RECORDS[WEBSITE, "A"]))
    found = waiting()
    assert (data(found), edes(found)) == (["A 203.0.113.9"], [(15, text(9)), (4, "")])
    assert rig.pairs()["ghent", "tiktok"] == (1, 0, 0)


@each_transport
def test_a_swap_after_an_answer_by_stream_was_asked_for_decides_it(start: Start, transport: Transport) -> None:
    held = Scripted(silent)
    rig = start(marked(1, Mode.OFF), held)
    waiting = rig.begin(query(VIDEO), GHENT, transport)
    rig.until_asked(1)
    cut = reply(held.asked[0], flags=0x0200)
    held.say(held.asked[0], cut)
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.swap(marked(2))
    held.behave = lambda asked: (reply(asked, RECORDS[VIDEO, "A"]),)
    rig.complete()
    assert edes(waiting()) == [(15, text(2)), (4, "")]


def test_every_swap_decides_what_is_cached_by_its_own_names_rules_and_texts(start: Start) -> None:
    rig = start(marked(1), internet())
    rig.ask(query(VIDEO), MECHELEN)
    for revision in range(2, 202):
        mode = Mode.OFF if revision % 7 == 0 else Mode.ENFORCE
        rig.swap(marked(revision, mode, shifted=revision % 3 == 0))
        assert data(rig.at_once(query(HEALTH, "TXT"))) == [f'TXT "revision={revision}"']
        found = rig.at_once(query(VIDEO))
        if mode is Mode.OFF:
            assert (data(found), edes(found)) == (["CNAME www.tiktok.com.", "A 192.0.2.100"], [])
        else:
            assert (data(found), edes(found)) == ([f"A 203.0.113.{revision}"], [(15, text(revision)), (4, "")])
        assert data(rig.at_once(query(VIDEO), MECHELEN)) == ["CNAME www.tiktok.com.", "A 192.0.2.100"]
    assert rig.forwarded == [(VIDEO, "A")]


def test_a_swap_in_a_batch_of_waiting_datagrams_answers_each_by_one_revision(start: Start) -> None:
    rig = start(marked(1, kind=Reply.REFUSED), internet())
    senders = [rig.send(query(WEBSITE, id=number)) for number in range(150)]
    rig.engine.poll(1)
    rig.swap(marked(2, kind=Reply.ADDRESS))
    said = []
    for sender in senders:
        found = rig.wait(sender)
        said.append((found.rcode(), tuple(data(found)), edes(found)[0][1]))
    assert set(said) == {
        (dns.rcode.REFUSED, (), text(1)),
        (dns.rcode.NOERROR, ("A 203.0.113.2",), text(2)),
    }
    assert said == sorted(said, key=lambda one: one[2])
