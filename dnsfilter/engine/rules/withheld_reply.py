"""The reply in place of an answer that is withheld for a private address."""

from typing import Final

from dnsfilter.engine.rules.refusal_reply import SYNTHESISED_TTL_S
from dnsfilter.wire.edns import Ede
from dnsfilter.wire.iana import EdeCode, Rcode
from dnsfilter.wire.own_records import soa_record
from dnsfilter.wire.query import Query
from dnsfilter.wire.reply import local_reply

WITHHELD_CODE: Final = EdeCode.FILTERED
"""Blocked and Censored stand for bans."""
WITHHELD_TEXT: Final = "private address in a public name"


def withheld_reply(query: Query, cap_s: int | None, limit: int) -> bytes:
    """Return an empty answer of at most `limit` bytes, to be kept for at most `cap_s` seconds."""
    ttl_s = SYNTHESISED_TTL_S if cap_s is None else min(SYNTHESISED_TTL_S, cap_s)
    soa = soa_record(query.question.wire[:-4], ttl_s, ttl_s)
    return local_reply(query, Rcode.NOERROR, (), (soa,), Ede(WITHHELD_CODE, WITHHELD_TEXT), limit)
