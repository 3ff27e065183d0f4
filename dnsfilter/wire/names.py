"""Domain names as wire bytes: uncompressed labels, ending in the root label (RFC 1035 section 3.1).

A *folded* name is `name.lower()`: that touches ASCII letters only, and no length octet, since those are below 64.
"""

from typing import Final, NamedTuple

from dnsfilter.errors import MalformedMessage

ROOT: Final = b"\x00"
MAX_NAME: Final = 255
MAX_LABEL: Final = 63
HEADER_SIZE: Final = 12
# A name of 255 octets has at most 127 labels, so more pointers than that are a bomb. What we relay must also be read by
# clients: dnspython takes 16, a compressor that shares every suffix makes one per label of a name, rarely above 10.
MAX_HOPS_PER_NAME: Final = 16
_ESCAPED: Final = frozenset(b'."\\;()@$')


class Tail(NamedTuple):
    """What a pointer leads to: the name, how many further pointers it took, and where its first run of labels ends."""

    name: bytes
    pointers: int
    end: int


class HopBudget:
    """How many compression pointers one message may still make us follow, and what was found behind those before.

    One budget serves all names of a message, so that the whole work stays linear in its length whatever its pointers
    do.
    """

    __slots__ = ("known", "left")

    def __init__(self, hops: int = 512) -> None:
        self.left = hops
        self.known: dict[int, Tail] = {}

    @classmethod
    def for_message(cls, size: int) -> "HopBudget":
        """A budget that no honest message of `size` octets exhausts: the densest have a pointer in every six octets."""
        return cls(512 + size // 4)


def parse_name(text: str) -> bytes:
    """A name as people write it, to folded wire form.

    Understands `\\.`-style and `\\DDD` escapes (RFC 1035 section 5.1); the trailing dot is optional, the root is `.`.
    ValueError names the input if it is empty, not ASCII, has blanks, an empty label, or is too long.
    """
    if text == ".":
        return ROOT
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(f"parse name: {text!r} is not ASCII") from None
    wire = bytearray()
    for label in _labels(raw, text):
        if not label:
            raise ValueError(f"parse name: {text!r} has an empty label")
        if len(label) > MAX_LABEL:
            raise ValueError(f"parse name: {text!r} has a label of more than {MAX_LABEL} octets")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > MAX_NAME:
        raise ValueError(f"parse name: {text!r} is longer than {MAX_NAME} octets")
    return bytes(wire).lower()


def _labels(raw: bytes, text: str) -> list[bytes]:
    """The labels of a presentation name, unescaped; a trailing dot makes none."""
    if any(octet <= 0x20 or octet == 0x7F for octet in raw):
        raise ValueError(f"parse name: {text!r} contains a blank or a control character")
    if b"\\" not in raw:
        return raw.removesuffix(b".").split(b".")
    labels: list[bytes] = []
    label = bytearray()
    position = 0
    while position < len(raw):
        octet = raw[position]
        position += 1
        if octet == 0x2E:
            labels.append(bytes(label))
            label.clear()
            continue
        if octet == 0x5C:
            digits = raw[position : position + 3]
            if len(digits) == 3 and digits.isdigit() and int(digits) <= 0xFF:
                octet = int(digits)
                position += 3
            elif digits and not digits[:1].isdigit():
                octet = digits[0]
                position += 1
            else:
                raise ValueError(f"parse name: {text!r} has an incomplete escape")
        label.append(octet)
    # Nothing collected at the end: the text closed with its optional dot, since an escape always leaves an octet.
    if label:
        labels.append(bytes(label))
    return labels


def name_text(name: bytes) -> str:
    """A wire name for people and logs: printable ASCII, all else escaped; only the root ends in a dot."""
    if name == ROOT:
        return "."
    parts: list[str] = []
    position = 0
    while (size := name[position]) != 0:
        position += 1
        parts.append("".join(map(_octet_text, name[position : position + size])))
        position += size
    return ".".join(parts)


def _octet_text(octet: int) -> str:
    if octet in _ESCAPED:
        return "\\" + chr(octet)
    return chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"


def suffixes(name: bytes) -> tuple[bytes, ...]:
    """The name, its parent, and so on to the top-level label; the root is not among them."""
    found: list[bytes] = []
    position = 0
    while (size := name[position]) != 0:
        found.append(name[position:])
        position += size + 1
    return tuple(found)


def label_count(name: bytes) -> int:
    """How many labels a name has; the root has none."""
    count = position = 0
    while (size := name[position]) != 0:
        position += size + 1
        count += 1
    return count


def is_at_or_below(name: bytes, zone: bytes) -> bool:
    """Whether `name` is `zone` or ends in it on a label boundary; both folded."""
    if not name.endswith(zone):
        return False
    boundary = len(name) - len(zone)
    position = 0
    while position < boundary:
        position += name[position] + 1
    return position == boundary


def parent(name: bytes) -> bytes:
    """The name without its first label; the root is its own parent."""
    return name[name[0] + 1 :] if name[0] else ROOT


def read_name(message: bytes, offset: int, hops: HopBudget) -> tuple[bytes, int]:
    """The name at `offset`, uncompressed and in the case it was sent in, and the offset after it.

    A pointer must lead behind the header, and to labels that end before those begin that it continues (RFC 1035 section
    4.1.4: a prior occurrence), so that no chain can return. MalformedMessage on anything else: label types 01 and 10,
    more than 255 octets, more than 16 pointers.
    """
    run = skip_labels(message, offset)
    if message[run] == 0:
        return message[offset : run + 1], run + 1
    target = _pointer(message, run, offset, hops)
    tail = hops.known.get(target) or _read_tail(message, target, hops)
    return _joined(message, offset, run, tail).name, run + 2


def _read_tail(message: bytes, target: int, hops: HopBudget) -> Tail:
    """What a pointer to `target` leads to, remembered for the next pointer there."""
    runs: list[tuple[int, int]] = []
    start = target
    tail = None
    while tail is None:
        run = skip_labels(message, start)
        if message[run] == 0:
            tail = Tail(message[start : run + 1], 0, run + 1)
            break
        runs.append((start, run))
        if len(runs) >= MAX_HOPS_PER_NAME:
            raise MalformedMessage(f"read name: more than {MAX_HOPS_PER_NAME} pointers in a name at octet {target}")
        start = _pointer(message, run, start, hops)
        tail = hops.known.get(start)
    for start, run in reversed(runs):
        tail = _joined(message, start, run, tail)
    hops.known[target] = tail
    return tail


def _joined(message: bytes, start: int, run: int, tail: Tail) -> Tail:
    """The labels from `start` to the pointer at `run`, continued by what that leads to."""
    if tail.end > start:
        raise MalformedMessage(f"read name: the pointer at octet {run} leads to labels that run into its own")
    if tail.pointers >= MAX_HOPS_PER_NAME:
        raise MalformedMessage(f"read name: more than {MAX_HOPS_PER_NAME} pointers in a name at octet {start}")
    name = message[start:run] + tail.name if run > start else tail.name
    if len(name) > MAX_NAME:
        raise MalformedMessage(f"read name: longer than {MAX_NAME} octets at octet {start}")
    return Tail(name, tail.pointers + 1, run + 2)


def _pointer(message: bytes, position: int, run: int, hops: HopBudget) -> int:
    """Where the pointer at `position` leads, which ends the run of labels that began at `run`."""
    if position + 1 >= len(message):
        raise MalformedMessage(f"read name: cut short at octet {position}")
    hops.left -= 1
    if hops.left < 0:
        raise MalformedMessage(f"read name: the message has too many pointers at octet {position}")
    target = ((message[position] & 0x3F) << 8) | message[position + 1]
    if not HEADER_SIZE <= target < run:
        raise MalformedMessage(f"read name: pointer to octet {target} at octet {position} does not lead backwards")
    return target


def skip_labels(message: bytes, offset: int) -> int:
    """The offset of the octet that ends the run of labels at `offset`: a root label or the first octet of a pointer."""
    size = len(message)
    position = offset
    limit = offset + MAX_NAME
    while position < size:
        octet = message[position]
        if octet == 0 or octet >= 0xC0:
            return position
        if octet > MAX_LABEL:
            raise MalformedMessage(f"read name: label type {octet >> 6} at octet {position}")
        position += octet + 1
        if position >= limit:
            raise MalformedMessage(f"read name: longer than {MAX_NAME} octets at octet {offset}")
    raise MalformedMessage(f"read name: cut short at octet {offset}")


def skip_name(message: bytes, offset: int) -> int:
    """The offset after the name at `offset`; a pointer ends it and is not followed. MalformedMessage if cut short."""
    run = skip_labels(message, offset)
    end = run + 1 if message[run] == 0 else run + 2
    if end > len(message):
        raise MalformedMessage(f"read name: cut short at octet {run}")
    return end
