"""The slots of query types and response codes by their numbers. Both engines count with these tables."""

from typing import Final

from dnsfilter.telemetry.metrics import QueryType, ResponseCode
from dnsfilter.telemetry.slots import QUERY_TYPE, RESPONSE
from dnsfilter.wire.iana import rcode_text, type_text

TYPE_SLOTS: Final = tuple(QUERY_TYPE.get(type_text(qtype), QUERY_TYPE[QueryType.OTHER]) for qtype in range(257))
"""Slot by type. All types above the last have the slot of the last."""
RESPONSE_SLOTS: Final = tuple(RESPONSE.get(rcode_text(rcode), RESPONSE[ResponseCode.OTHER]) for rcode in range(17))
"""Slot by response code. All codes above the last have the slot of the last."""


def type_slot(qtype: int) -> int:
    """Return the slot of a query's type."""
    return TYPE_SLOTS[min(qtype, len(TYPE_SLOTS) - 1)]


def response_slot(rcode: int) -> int:
    """Return the slot of a reply's response code."""
    return RESPONSE_SLOTS[min(rcode, len(RESPONSE_SLOTS) - 1)]
