"""Replies to refused queries."""

from dataclasses import replace

from dnsfilter.policy.model import Reply
from dnsfilter.snapshot.reader import BanView, Judgement, Matched
from dnsfilter.wire.answer import RawRecord
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import Class, EdeCode, Rcode, Type
from dnsfilter.wire.own_records import address_record, soa_record
from dnsfilter.wire.query import Query
from dnsfilter.wire.reply import empty_reply, local_reply

_ADDRESS_BYTES = {int(Type.A): 4, int(Type.AAAA): 16}
SYNTHESISED_TTL_S = 10


def refusal(query: Query, judgement: Judgement, cap_s: int, limit: int) -> bytes:
    """Return the reply of the winning ban, at most `limit` bytes, with TTLs of at most `cap_s` seconds.

    A structured text takes the place of "Forged Answer", which draft-ietf-dnsop-structured-dns-error forbids with it.
    """
    ban, hit = judgement.ban, judgement.hit
    if ban is None or hit is None:
        raise ValueError("cannot refuse a query that no ban refuses")
    structured = ban.structured if query.edns is not None and query.edns.reads_json else ""
    ede = Ede(ban.ede, structured or ban.text)
    ttl_s = min(SYNTHESISED_TTL_S, cap_s)
    if ban.reply is Reply.REFUSED:
        return empty_reply(query, Rcode.REFUSED, ede, limit)
    if ban.reply is Reply.ADDRESS:
        records = _addresses(query, ban, ttl_s)
        if records:
            edes = (ede,) if structured else (ede, Ede(EdeCode.FORGED_ANSWER))
            return local_reply(query, Rcode.NOERROR, records, (), edes, limit)
    soa = _soa(query, hit, ttl_s)
    if ban.reply is Reply.NXDOMAIN and _covers_all_below(hit):
        return local_reply(query, Rcode.NXDOMAIN, (), (soa,), ede, limit)
    if query.question.qtype == Type.SOA and soa.owner == query.question.wire[:-4]:
        # A denial would say that the owner of its SOA has no SOA.
        return local_reply(query, Rcode.NOERROR, (soa,), (), ede, limit)
    return local_reply(query, Rcode.NOERROR, (), (soa,), ede, limit)


def _covers_all_below(hit: Matched) -> bool:
    """Return whether the ban covers all names below the question's name, so that NXDOMAIN is true (RFC 8020)."""
    return hit.domain and not hit.target


def _soa(query: Query, hit: Matched, ttl_s: int) -> RawRecord:
    """Return the SOA that makes the denial cacheable (RFC 2308), at the matched suffix in the client's spelling."""
    asked = query.question.wire[:-4]
    owner = asked if hit.target else asked[len(asked) - hit.suffix :]
    return replace(soa_record(owner, ttl_s, ttl_s), rclass=query.question.qclass)


def _addresses(query: Query, ban: BanView, ttl_s: int) -> list[RawRecord]:
    if query.question.qclass != Class.IN:  # elsewhere type A has other data (RFC 1035 section 3.4.1)
        return []
    size = _ADDRESS_BYTES.get(query.question.qtype, 0)
    asked = query.question.wire[:-4]
    return [address_record(asked, ttl_s, address) for address in ban.addresses if len(address) == size]
