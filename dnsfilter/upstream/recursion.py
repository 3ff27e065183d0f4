"""Whether a server resolved a name, or left that to whoever asked. No socket and no clock."""

from dnsfilter.wire.checker import ANSWER, AUTHORITY, Answer
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import is_at_or_below


def is_unresolved(answer: Answer) -> bool:
    """Return whether a server that does not recurse sent this complete answer: a referral, or neither RA nor AA.

    An authoritative server sets AA (RFC 1034 section 4.3.1). A referral has name servers, but neither AA, data nor SOA
    (RFC 2308 section 2.2). NXDOMAIN counts as resolved: no server guesses it, and some resolvers clear RA there to mark
    a name that they block.
    """
    if answer.rcode != Rcode.NOERROR or answer.aa:
        return False
    return not answer.ra or bool(_delegated(answer))


def delegates_below(answer: Answer, zone: bytes) -> bool:
    """Return whether an answer is a referral to zones below `zone`: it concerns the name, not the server."""
    owners = _delegated(answer)
    return bool(owners) and all(owner != zone and is_at_or_below(owner, zone) for owner in owners)


def _delegated(answer: Answer) -> set[bytes]:
    """Return the zones to whose name servers a referral leads; none for any other message."""
    if answer.section(ANSWER):
        return set()
    authority = answer.section(AUTHORITY)
    if any(record.rtype == Type.SOA for record in authority):
        return set()
    return {record.owner for record in authority if record.rtype == Type.NS}
