"""The positions of names inside record data, to check them and to write them without compression.

Covers the types of RFC 1035, those that RFC 3597 section 4 requires receivers to decompress, and newer ones with names
that the policy checks. All other data is opaque bytes.
"""

from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedData, MalformedMessage
from dnsfilter.wire.iana import Class, Type
from dnsfilter.wire.names import HopBudget, read_name, skip_labels

_ADDRESS_BYTES: Final[dict[int, int]] = {Type.A: 4, Type.AAAA: 16}
_IN: Final = int(Class.IN)


@dataclass(frozen=True, slots=True)
class Layout:
    """`before` bytes, `strings` counted strings, `names` names, then `after` bytes (None: any number)."""

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
# Never compressed (RFC 4034 sections 3.1.7 and 4.1.1): a pointer there would be wrong in another message.
_UNCOMPRESSED: Final[dict[int, int]] = {Type.RRSIG: 18, Type.NSEC: 0}
_NSEC: Final = int(Type.NSEC)
_NSEC3: Final = int(Type.NSEC3)
_SERVICE_BINDINGS: Final = frozenset({int(Type.SVCB), int(Type.HTTPS)})
_MANDATORY: Final = 0
_ALPN: Final = 1
_NO_DEFAULT_ALPN: Final = 2
_EXACT: Final = {_NO_DEFAULT_ALPN: 0, 3: 2}
"""Size in bytes of the values of no-default-alpn and port (RFC 9460 sections 7.1 and 7.2)."""
_ITEMS: Final = {_MANDATORY: 2, 4: 4, 6: 16}
"""Size in bytes of each item of mandatory, ipv4hint and ipv6hint; each has at least one (sections 7.3 and 8)."""
_LONGEST_WINDOW: Final = 32


def check_rdata(message: bytes, rtype: int, rclass: int, start: int, end: int, hops: HopBudget) -> None:
    """Check the record data in `[start, end)` against its type's layout. `MalformedMessage` names what does not fit."""
    size = _ADDRESS_BYTES.get(rtype)
    if size is not None:
        # Address types of other classes have other forms (RFC 1035 section 3.4.1 is about IN).
        if rclass == _IN and end - start != size:
            raise MalformedMessage(f"read record: address of {end - start} bytes at byte {start}")
        return
    layout = LAYOUTS.get(rtype)
    if layout is not None:
        position = _first_name(message, layout, start, end)
        for _ in range(layout.names):
            _, position = read_name(message, position, hops)
        if position > end if layout.after is None else position + layout.after != end:
            raise MalformedMessage(f"read record: data of type {rtype} does not end at byte {end}")
        if rtype in _SERVICE_BINDINGS:
            _check_parameters(message, position, end)
        return
    before = _UNCOMPRESSED.get(rtype)
    if before is not None:
        run = skip_labels(message, start + before)
        if run >= end or message[run] != 0:
            raise MalformedMessage(f"read record: data of type {rtype} has no plain name at byte {start + before}")
        if rtype == _NSEC:
            _check_bitmaps(message, run + 1, end)
    elif rtype == _NSEC3:
        _check_bitmaps(message, _bitmaps_start(message, start, end), end)


def _check_parameters(message: bytes, position: int, end: int) -> None:
    """Check the parameters of a service binding against RFC 9460: each key once, in order, in its form (section 2.2).

    Every mandatory key is present and listed in order (section 8). no-default-alpn follows alpn (section 7.1.1).
    """
    last = -1
    required = required_end = 0
    while position < end:
        key, size = (
            int.from_bytes(message[position : position + 2]),
            int.from_bytes(message[position + 2 : position + 4]),
        )
        value = position + 4
        position = value + size
        if value > end or position > end or key <= last or not _is_value(message, key, value, position):
            raise MalformedData(f"read record: malformed service parameter {key} at byte {value - 4}")
        if key == _NO_DEFAULT_ALPN and last != _ALPN:
            raise MalformedData(f"read record: no-default-alpn without alpn at byte {value - 4}")
        if key == _MANDATORY:
            required, required_end = value, position
        elif required < required_end:
            listed = int.from_bytes(message[required : required + 2])
            if listed < key:
                raise MalformedData(f"read record: mandatory service parameter {listed} is missing")
            required += 2 * (listed == key)
        last = key
    if required < required_end:
        raise MalformedData("read record: a mandatory service parameter is missing")


def _is_value(message: bytes, key: int, start: int, end: int) -> bool:
    """Return whether the value of a service parameter has the form of its key."""
    size = end - start
    if key == _ALPN:
        while start < end and message[start]:
            start += 1 + message[start]
        return size > 0 and start == end
    if key in _ITEMS:
        return size > 0 and size % _ITEMS[key] == 0
    return size == _EXACT.get(key, size)


def _bitmaps_start(message: bytes, start: int, end: int) -> int:
    """Return the start of the type bitmaps of NSEC3 data (RFC 5155 section 3.2), after salt and next hash."""
    salt = start + 4
    size = salt + 1 + message[salt] if salt < end else end
    if size >= end or not message[size] or size + 1 + message[size] > end:
        raise MalformedData(f"read record: nsec3 data without a hash at byte {start}")
    return size + 1 + message[size]


def _check_bitmaps(message: bytes, position: int, end: int) -> None:
    """Check type bitmaps against RFC 4034 section 4.1.2: windows ascend, have 1 to 32 bytes, and do not end in 0."""
    last = -1
    while position < end:
        window, size = message[position], message[position + 1] if position + 1 < end else 0
        if window <= last or not 0 < size <= _LONGEST_WINDOW or position + 2 + size > end:
            raise MalformedData(f"read record: malformed type bitmap at byte {position}")
        last = window
        position += 2 + size
        if not message[position - 1]:
            raise MalformedData(f"read record: a type bitmap ends with 0 at byte {position - 1}")


def _first_name(message: bytes, layout: Layout, start: int, end: int) -> int:
    """Return the position of the first name of the data."""
    position = start + layout.before
    for _ in range(layout.strings):
        if position >= end:
            raise MalformedMessage(f"read record: string cut short at byte {position}")
        position += 1 + message[position]
    return position


def plain_rdata(message: bytes, rtype: int, start: int, end: int) -> bytes:
    """Return the data of a checked record with its names uncompressed, for use in another message."""
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
    """Return the folded name that a checked CNAME, DNAME, SVCB or HTTPS record leads to."""
    return read_name(message, start + LAYOUTS[rtype].before, HopBudget())[0].lower()


def names_in(message: bytes, rtype: int, start: int) -> list[bytes]:
    """Return the folded names in the data of a checked record, none for types without a layout."""
    layout = LAYOUTS.get(rtype)
    if layout is None:
        return []
    found = []
    position = _first_name(message, layout, start, len(message))
    for _ in range(layout.names):
        name, position = read_name(message, position, HopBudget())
        found.append(name.lower())
    return found


def covered_type(message: bytes, start: int) -> int:
    """Return the type that a checked RRSIG covers."""
    return int.from_bytes(message[start : start + 2], "big")


def signer_name(message: bytes, start: int) -> bytes:
    """Return the folded name of the zone that made a checked RRSIG."""
    return read_name(message, start + _UNCOMPRESSED[Type.RRSIG], HopBudget())[0].lower()
