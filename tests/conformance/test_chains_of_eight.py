"""Chains of eight links into a banned name. No client ever gets the verdict for another.

The tests cover every kind of link, each way to split the chain over messages, and each kind of reply.
Banned and unbanned clients ask in either order, over UDP and TCP, at once and one after the other.
They ask again from the cache, and once more from stale entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.support.engines import DIEST, GHENT, MECHELEN, Rig, data, edes, query, ttls
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, denial, reply, silent
from tests.support.starting import Start

LINKS = 8
ADDRESS = "192.0.2.80"
END = "x.tiktok.com"
TTL_S = 2
ORDERS = ((GHENT, MECHELEN), (DIEST, GHENT))
PER_REPLY = 2 * len(ORDERS)
"""Chains for each kind of reply. In each order, the clients ask for one chain at once and for one in sequence."""
SPLITS = {"together": (LINKS,), "one by one": (1,) * LINKS, "halves": (4, 4), "the end apart": (7, 1)}
"""Number of links in each message of upstream. The last message also holds the end of the chain."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of chain, with one letter for each link.

    c is a CNAME, d a DNAME with its CNAME, b a DNAME alone, and . the data in `last`.
    """

    id: str
    links: str
    qtype: str = "A"
    last: str = ""

    def name(self, at: int, tag: int) -> str:
        """Return the name of link `at` in the chain `tag`."""
        return f"x.d{at}.t{tag}.example.org"

    def link(self, at: int, tag: int) -> tuple[str, ...]:
        """Return the records of link `at` in the chain `tag`, as lines of zone text."""
        here = self.name(at, tag)
        following = self.name(at + 1, tag) if at + 1 < LINKS else END
        alias = f"{here}. {TTL_S} CNAME {following}."
        dname = f"{here[2:]}. {TTL_S} DNAME {following[2:]}."
        match self.links[at]:
            case "c":
                return (alias,)
            case "d":
                return (dname, alias)
            case "b":
                return (dname,)
            case _:
                return (f"{here}. {TTL_S} {self.qtype} {self.last}",)

    def end(self) -> tuple[str, ...]:
        """Return the records at the end of the chain. Return none if the last link already holds data."""
        return () if self.last else (f"{END}. {TTL_S} A 192.0.2.100",)

    def complete(self, tag: int) -> list[str]:
        """Return all that an unbanned client gets: sorted type and data, with a CNAME for each DNAME."""
        reported = replace(self, links=self.links.replace("b", "d"))
        lines = [*(line for at in range(LINKS) for line in reported.link(at, tag)), *self.end()]
        return sorted(line.split(" ", 2)[2] for line in lines)


KINDS = (
    Kind("cname", "cccccccc"),
    Kind("dname", "dddddddd"),
    Kind("dname alone", "bbbbbbbb"),
    Kind("by turns", "cdcbcdcb"),
    Kind("dname then cname", "ddddbbcc"),
    Kind("https", "ccccccc.", "HTTPS", f'1 {END}. alpn="h2"'),
    Kind("https alias", "dcdcdcd.", "HTTPS", f"0 {END}."),
    Kind("svcb", "ccccccc.", "SVCB", f'1 {END}. alpn="h2"'),
)
by_kind = each_row("chain", KINDS, ids=lambda chain: chain.id)
by_split = each_row("split", SPLITS.values(), ids=list(SPLITS))


def upstream(chain: Kind, split: Sequence[int]) -> Scripted:
    """Return an upstream that sends the chain in messages of as many links as `split` says."""
    starts = [sum(split[:part]) for part in range(len(split))]

    def behave(asked: Asked) -> list[bytes]:
        if asked.name == END and len(split) == LINKS:
            return [reply(asked, chain.end())]
        at, tag = (int(label[1:]) for label in asked.name.split(".")[1:3])
        links = split[starts.index(at)]
        lines = [line for step in range(at, at + links) for line in chain.link(step, tag)]
        ends = at + links == LINKS and len(split) < LINKS
        return [reply(asked, (*lines, *chain.end()) if ends else lines)]

    return Scripted(behave)


def check(found: dns.message.Message, chain: Kind, tag: int, client: str, kind: Reply, *, stale: bool = False) -> None:
    """Check that `found` is the reply for `client`, and holds nothing from the reply for another client."""
    codes = [code for code, _ in edes(found)]
    if client != GHENT:
        assert found.rcode() == dns.rcode.NOERROR
        assert sorted(data(found)) == chain.complete(tag)
        assert codes == ([3] if stale else [])
        assert found.authority == []
        return
    addressed = kind is Reply.ADDRESS and chain.qtype == "A"
    assert found.rcode() == (dns.rcode.REFUSED if kind is Reply.REFUSED else dns.rcode.NOERROR)
    assert data(found) == ([f"A {ADDRESS}"] if addressed else [])
    assert codes == ([15, 4] if addressed else [15])
    owners = [rrset.name.to_text(omit_final_dot=True) for rrset in found.authority]
    assert owners == ([] if addressed or kind is Reply.REFUSED else [chain.name(0, tag)])


def in_force(rig: Rig, kind: Reply, revision: int) -> None:
    rig.swap(office(reply=kind, addresses=(ADDRESS,), revision=revision))


@pytest.mark.slow
@by_kind
@by_split
def test_a_chain_of_eight_into_a_banned_name_is_decided_for_each_client(
    start: Start, chain: Kind, split: Sequence[int]
) -> None:
    transport = tuple(Transport)[(KINDS.index(chain) + len(split)) % 2]
    rig = start(office(), upstream(chain, split))
    tags, revisions = count(), count(2)
    legs = len(split) + (len(split) == LINKS and not chain.last)
    for kind in Reply:
        in_force(rig, kind, next(revisions))
        for order in ORDERS:
            tag = next(tags)
            asked = query(chain.name(0, tag), chain.qtype)
            waiting = [(client, rig.begin(asked, client, transport)) for client in order]
            for client, wait in waiting:
                check(wait(), chain, tag, client, kind)
            tag = next(tags)
            asked = query(chain.name(0, tag), chain.qtype)
            for client in order:
                check(rig.ask(asked, client, transport), chain, tag, client, kind)
            for client in (*order, *order):
                check(rig.at_once(asked, client, transport), chain, tag, client, kind)
    assert len(rig.forwarded) == legs * next(tags)
    rig.pass_time((TTL_S + 1) * 1000)
    rig.upstream.behave = silent
    for number, kind in enumerate(Reply):
        in_force(rig, kind, next(revisions))
        stale = [
            (tag, client, rig.begin(query(chain.name(0, tag), chain.qtype), client, transport))
            for tag in range(number * PER_REPLY, (number + 1) * PER_REPLY)
            for client in ORDERS[tag // 2 % 2]
        ]
        for _ in range(8):
            rig.pass_time(1000)
        for tag, client, wait in stale:
            check(wait(), chain, tag, client, kind, stale=True)


@by_kind
@by_split
def test_a_ban_that_comes_between_two_links_is_the_one_that_counts(
    start: Start, chain: Kind, split: Sequence[int]
) -> None:
    for before, after in ((Reply.REFUSED, Reply.NODATA), (Reply.NXDOMAIN, Reply.ADDRESS)):
        served = upstream(chain, split)
        behave, served.behave = served.behave, silent
        rig = start(office(), served)
        in_force(rig, before, 2)
        asked = query(chain.name(0, 0), chain.qtype)
        waiting = [(client, rig.begin(asked, client)) for client in (MECHELEN, GHENT)]
        rig.until_asked(1)
        for message in behave(served.asked[0]):
            served.say(served.asked[0], message)
        if len(split) > 1:
            rig.until_asked(2)
        in_force(rig, after, 3)
        served.behave = behave
        for message in behave(served.asked[1]) if len(split) > 1 else ():
            served.say(served.asked[1], message)
        for client, wait in waiting:
            check(wait(), chain, 0, client, after)


@each_row("qtype", ["HTTPS", "SVCB"])
@each_row("section", ["answer", "additional"])
@each_row("transport", tuple(Transport))
def test_a_client_that_walks_eight_aliases_itself_is_refused_at_the_last(
    start: Start, qtype: str, section: str, transport: Transport
) -> None:
    def line(at: int) -> str:
        target = f"a{at + 1}.example.org." if at + 1 < LINKS else f"{END}."
        return f"a{at}.example.org. 300 {qtype} 0 {target}"

    def behave(asked: Asked) -> list[bytes]:
        at = int(asked.name.split(".")[0][1:])
        rest = [line(step) for step in range(at + 1, LINKS)]
        extra = {"answer": ([line(at), *rest], []), "additional": ([line(at)], [*rest, f"{END}. 300 A 192.0.2.100"])}
        answer, additional = extra[section]
        return [reply(asked, answer, (), additional)]

    rig = start(office(), Scripted(behave))
    for order in ORDERS:
        for at in range(LINKS):
            for client in order:
                found = rig.ask(query(f"a{at}.example.org", qtype), client, transport)
                assert found.additional == []
                if client == GHENT and at + 1 == LINKS:
                    assert (found.rcode(), data(found)) == (dns.rcode.REFUSED, [])
                else:
                    assert data(found) == [line(at).split(" ", 2)[2]]
    assert len(rig.forwarded) == LINKS


@by_split
def test_a_chain_of_eight_whose_end_is_denied_is_still_one_into_a_banned_name(
    start: Start, split: Sequence[int]
) -> None:
    served = upstream(KINDS[0], split)
    behave = served.behave

    def denied(asked: Asked) -> list[bytes]:
        if asked.name == END:
            return [denial(asked, "tiktok.com", rcode=0, ttl=TTL_S)]
        (message,) = behave(asked)
        if "A 192.0.2.100" not in data(dns.message.from_wire(message)):
            return [message]
        lines = [line for line in lines_of(message) if not line.endswith("A 192.0.2.100")]
        return [reply(asked, lines, (f"tiktok.com. {TTL_S} SOA ns.tiktok.com. h.tiktok.com. 1 2 3 4 {TTL_S}",))]

    served.behave = denied
    rig = start(office(), served)
    for client in (MECHELEN, GHENT, DIEST, GHENT):
        found = rig.ask(query(KINDS[0].name(0, 0)), client)
        assert found.rcode() == (dns.rcode.REFUSED if client == GHENT else dns.rcode.NOERROR)
        assert len(data(found)) == (0 if client == GHENT else LINKS)


def lines_of(message: bytes) -> list[str]:
    """Return the answer section of `message` as lines of zone text without class."""
    rrsets = dns.message.from_wire(message).answer
    return [f"{s.name} {s.ttl} {dns.rdatatype.to_text(s.rdtype)} {rdata}" for s in rrsets for rdata in s]


@each_row("links", [1, 3, LINKS])
@each_row("split", [1, LINKS])
def test_whoever_may_follow_a_chain_into_a_banned_name_keeps_it_for_a_minute_at_most(
    start: Start, links: int, split: int
) -> None:
    def behave(asked: Asked) -> list[bytes]:
        if asked.name == END:
            return [reply(asked, (f"{END}. 300 A 192.0.2.100",))]
        at = int(asked.name.split(".")[0][1:])
        steps = range(at, min(at + split, links))
        targets = [f"c{step + 1}.example.org." if step + 1 < links else f"{END}." for step in steps]
        return [reply(asked, [f"c{step}.example.org. 300 CNAME {to}" for step, to in zip(steps, targets, strict=True)])]

    rig = start(office(), Scripted(behave))
    waiting = [rig.begin(query("c0.example.org"), client) for client in (GHENT, MECHELEN)]
    assert [wait().rcode() for wait in waiting] == [dns.rcode.REFUSED, dns.rcode.NOERROR]
    assert rig.at_once(query("c0.example.org")).rcode() == dns.rcode.REFUSED
    assert ttls(rig.at_once(query("c0.example.org"), MECHELEN)) == [60] * (links + 1)
