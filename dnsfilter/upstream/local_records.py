"""The node's own records: a few names that it answers itself, before the cache and any upstream."""

from collections.abc import Mapping, Sequence
from typing import Final

from dnsfilter.config.node_config import LocalRecord
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.compose import RawRecord, compose
from dnsfilter.wire.iana import Class, Rcode, Type
from dnsfilter.wire.message import soa_record
from dnsfilter.wire.query import Question

MOST_ALIASES: Final = 8
"""Aliases of this node in one answer. A loop ends there too."""


class LocalRecords:
    """The records by name. It is immutable."""

    def __init__(self, records: Sequence[LocalRecord] = ()) -> None:
        by_name: dict[bytes, tuple[LocalRecord, ...]] = {}
        for record in records:
            by_name[record.name] = (*by_name.get(record.name, ()), record)
        self._by_name: Final[Mapping[bytes, tuple[LocalRecord, ...]]] = by_name

    @property
    def names(self) -> tuple[bytes, ...]:
        """The folded names that have a record."""
        return tuple(self._by_name)

    def __contains__(self, name: bytes) -> bool:
        return name in self._by_name

    def answer(self, question: Question) -> Answer | None:
        """Return the answer to a question for one of the names; None for other names and classes.

        A name has no other data than its records here. An alias that leads to another name ends the answer.
        """
        if question.qclass != Class.IN or question.name not in self._by_name:
            return None
        found: list[RawRecord] = []
        owner = question.wire[:-4]
        for _ in range(MOST_ALIASES):
            records = self._by_name.get(owner.lower(), ())
            chosen = [record for record in records if record.rtype in (question.qtype, Type.CNAME)]
            found += [RawRecord(owner, record.rtype, Class.IN, record.ttl_s, record.rdata) for record in chosen]
            if not chosen or chosen[0].rtype == question.qtype:
                break
            owner = chosen[0].rdata
        if found:
            return compose(question, 0, Rcode.NOERROR, (found,))
        ttl_s = min(record.ttl_s for record in self._by_name[question.name])
        return compose(question, 0, Rcode.NOERROR, ((), (soa_record(question.name, ttl_s, ttl_s),)))
