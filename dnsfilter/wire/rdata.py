"""Where names stand inside record data, so that they can be checked and written out.

Only the types of RFC 1035, those that RFC 3597 section 4 tells receivers to decompress, and newer ones whose names the
policy looks at. Everything else is opaque octets.
"""

from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.iana import Class, Type
from dnsfilter.wire.names import HopBudget, read_name, skip_labels

_ADDRESS_OCTETS: Final[dict[int, int]] = {Type.A: 4, Type.AAAA: 16}
_IN: Final = int(Class.IN)


@dataclass(frozen=True, slots=True)
class Layout:
    """`before` octets, `strings` counted strings, `names` names, then `after` octets (None: any number)."""

    before: int = 0
    strings: int = 0
    names: int = 1
    after: int | None = 0


_NAME: Final = Layout()
_PREFERENCE_NAME: Final = Layout(before=2)
_SIGNER: Final = Layout(before=18, after=None)

LAYOUTS: Final[dict[int, Layout]] = {
    Type.NS: _NAME,
    Type.MD: _NAME,
    Type.MF: _NAME,
    Type.CNAME: _NAME,
    Type.SOA: Layout(names=2, after=20),
    Type.MB: _NAME,
    Type.MG: _NAME,
    Type.MR: _NAME,
    Type.PTR: _NAME,
    Type.MINFO: Layout(names=2),
    Type.MX: _PREFERENCE_NAME,
    Type.RP: Layout(names=2),
    Type.AFSDB: _PREFERENCE_NAME,
    Type.RT: _PREFERENCE_NAME,
    Type.SIG: _SIGNER,
    Type.PX: Layout(before=2, names=2),
    Type.NXT: Layout(after=None),
    Type.SRV: Layout(before=6),
    Type.NAPTR: Layout(before=4, strings=3),
    Type.KX: _PREFERENCE_NAME,
    Type.DNAME: _NAME,
    Type.SVCB: Layout(before=2, after=None),
    Type.HTTPS: Layout(before=2, after=None),
}
# Never compressed (RFC 4034 sections 3.1.7 and 4.1.1): a pointer there would not survive being written elsewhere.
_UNCOMPRESSED: Final[dict[int, int]] = {Type.RRSIG: 18, Type.NSEC: 0}


def check_rdata(message: bytes, rtype: int, rclass: int, start: int, end: int, hops: HopBudget) -> None:
    """Hold the record data in `[start, end)` against its type's layout; MalformedMessage names what does not fit."""
    octets = _ADDRESS_OCTETS.get(rtype)
    if octets is not None:
        # The address types of other classes have other forms (RFC 1035 section 3.4.1 is about IN).
        if rclass == _IN and end - start != octets:
            raise MalformedMessage(f"read record: address of {end - start} octets at octet {start}")
        return
    layout = LAYOUTS.get(rtype)
    if layout is not None:
        position = _first_name(message, layout, start, end)
        for _ in range(layout.names):
            _, position = read_name(message, position, hops)
        if position > end if layout.after is None else position + layout.after != end:
            raise MalformedMessage(f"read record: data of type {rtype} does not end at octet {end}")
        return
    before = _UNCOMPRESSED.get(rtype)
    if before is not None:
        run = skip_labels(message, start + before)
        if run >= end or message[run] != 0:
            raise MalformedMessage(f"read record: data of type {rtype} has no plain name at octet {start + before}")


def _first_name(message: bytes, layout: Layout, start: int, end: int) -> int:
    """Where the first name of the data stands."""
    position = start + layout.before
    for _ in range(layout.strings):
        if position >= end:
            raise MalformedMessage(f"read record: string cut short at octet {position}")
        position += 1 + message[position]
    return position


def plain_rdata(message: bytes, rtype: int, start: int, end: int) -> bytes:
    """The data of a checked record with its names written out, fit to stand in another message."""
    layout = LAYOUTS.get(rtype)
    if layout is None:
        return message[start:end]
    position = _first_name(message, layout, start, end)
    pieces = [message[start:position]]
    for _ in range(layout.names):
        name, position = read_name(message, position, HopBudget())
        pieces.append(name)
    pieces.append(message[position:end])
    return b"".join(pieces)


def target_name(message: bytes, rtype: int, start: int) -> bytes:
    """The folded name that a checked CNAME, DNAME, SVCB or HTTPS record leads to."""
    return read_name(message, start + LAYOUTS[rtype].before, HopBudget())[0].lower()
