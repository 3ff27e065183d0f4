"""Which records of authority and additional belong to a question. The others could say anything about any name."""

from typing import Final

from dnsfilter.wire.chain import Chain
from dnsfilter.wire.checker import ADDITIONAL, AUTHORITY, Answer, Record
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import is_at_or_below
from dnsfilter.wire.rdata import covered_type, names_in, signer_name

_ADDRESSES: Final = frozenset({int(Type.A), int(Type.AAAA)})
_DENIALS: Final = frozenset({int(Type.NSEC), int(Type.NSEC3)})
_RRSIG: Final = int(Type.RRSIG)
_OF_ZONES: Final = frozenset({int(Type.SOA), int(Type.NS), int(Type.DS)})


def belonging(answer: Answer, chain: Chain) -> list[Record]:
    """Return the records of authority and additional that belong to the chain from the question, in order.

    In authority: SOA, NS and DS of a zone that encloses a name of the chain, and denials that such a zone has signed.
    In additional: addresses of names that these records or those of the chain hold (RFC 1034 section 4.3.2). In both:
    the signatures of these records. This leaves out TSIG and SIG(0), which are valid for one hop only.
    """
    here = [record for record in answer.records if record.rclass == answer.question.qclass]
    authority = [record for record in here if record.section == AUTHORITY]
    names = {answer.question.name, chain.end, *(record.owner for record in chain.records)}
    zones = {zone for zone in _zones(answer, authority) if any(is_at_or_below(name, zone) for name in names)}
    denials = _denials(answer, authority, zones)
    kept = [
        record
        for record in authority
        if (record.rtype in _OF_ZONES and record.owner in zones) or (record.owner, record.rtype) in denials
    ]
    named = {
        name for record in (*chain.records, *kept) for name in names_in(answer.message, record.rtype, record.rdata)
    }
    kept += [
        record
        for record in here
        if record.section == ADDITIONAL and record.rtype in _ADDRESSES and record.owner in named
    ]
    signed = {(record.section, record.owner, record.rtype) for record in kept}
    starts = {record.start for record in kept}
    return [
        record
        for record in here
        if record.start in starts
        or (
            record.rtype == _RRSIG
            and (record.section, record.owner, covered_type(answer.message, record.rdata)) in signed
        )
    ]


def _zones(answer: Answer, authority: list[Record]) -> set[bytes]:
    """Return the zones that the authority section is about."""
    signers = {signer_name(answer.message, record.rdata) for record in authority if record.rtype == _RRSIG}
    return signers | {record.owner for record in authority if record.rtype in _OF_ZONES}


def _denials(answer: Answer, authority: list[Record], zones: set[bytes]) -> set[tuple[bytes, int]]:
    """Return owner and type of the NSEC and NSEC3 records that one of the zones has signed."""
    found = set()
    for record in authority:
        if record.rtype == _RRSIG:
            covered, signer = covered_type(answer.message, record.rdata), signer_name(answer.message, record.rdata)
            if covered in _DENIALS and signer in zones and is_at_or_below(record.owner, signer):
                found.add((record.owner, covered))
    return found
