"""Domain names as wire bytes: uncompressed labels, ending in the root label (RFC 1035 section 3.1).

A *folded* name is `name.lower()`. That changes ASCII letters only, and no length byte, since those are below 64.
"""

import re
from typing import Final, NamedTuple

from dnsfilter.errors import MalformedMessage

ROOT: Final = b"\x00"
MAX_NAME: Final = 255
MAX_LABEL: Final = 63
HEADER_SIZE: Final = 12
# A name of 255 bytes has at most 127 labels, so more pointers than that are an attack. Clients must also be able to
# read what we relay: dnspython takes 16. A compressor that shares every suffix makes one per label, rarely above 10.
MAX_HOPS_PER_NAME: Final = 16
_ESCAPED: Final = frozenset(b'."\\;()@$')
_OTHER: Final = re.compile(r"[^a-z0-9_.-]").search
_PLAIN_LABEL: Final = re.compile(rb"[a-z0-9_-]+").fullmatch
_SIZES: Final = {size: chr(size) for size in range(1, MAX_LABEL + 1)}
"""Length bytes by the length of a label."""


class NameFault(ValueError):
    """A text that is no name. `fault` says why, without the text."""

    def __init__(self, text: str, fault: str) -> None:
        super().__init__(f"parse name: {text!r} {fault}")
        self.fault = fault


class Tail(NamedTuple):
    """The target of a pointer: the name, the number of further pointers, and the end of its first run of labels."""

    name: bytes
    pointers: int
    end: int


class HopBudget:
    """The number of compression pointers that may still be followed in one message, and the tails found so far.

    One budget serves all names of a message, so that the total work stays linear in its length.
    """

    __slots__ = ("known", "left")

    def __init__(self, hops: int = 512) -> None:
        self.left = hops
        self.known: dict[int, Tail] = {}

    @classmethod
    def for_message(cls, size: int) -> "HopBudget":
        """Return a budget that suffices for any normal message of `size` bytes: one pointer per six bytes at most."""
        return cls(512 + size // 4)


def parse_name(text: str) -> bytes:
    """Return a name as people write it in folded wire form.

    Escapes are `\\.`-style and `\\DDD` (RFC 1035 section 5.1). The trailing dot is optional; the root is `.`.
    NameFault names an input that is empty, not ASCII, or too long, or has blanks or an empty label.
    """
    plain = plain_name(text)
    if plain is not None:
        return plain
    if text == ".":
        return ROOT
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise NameFault(text, "is not ASCII") from None
    wire = bytearray()
    for label in _labels(raw, text):
        if not label:
            raise NameFault(text, "has an empty label")
        if len(label) > MAX_LABEL:
            raise NameFault(text, f"has a label of more than {MAX_LABEL} bytes")
        wire.append(len(label))
        wire += label
    wire.append(0)
    if len(wire) > MAX_NAME:
        raise NameFault(text, f"is longer than {MAX_NAME} bytes")
    return bytes(wire).lower()


def plain_name(text: str) -> bytes | None:
    """Return the wire form of a lower-case host name without a final dot. Return None for any other text."""
    if _OTHER(text) is not None or len(text) > MAX_NAME - 2:
        return None
    try:
        return ("".join([_SIZES[len(label)] + label for label in text.split(".")]) + "\0").encode()
    except KeyError:
        return None


def _labels(raw: bytes, text: str) -> list[bytes]:
    """Return the labels of a presentation name, unescaped. A trailing dot adds none."""
    if any(byte <= 0x20 or byte == 0x7F for byte in raw):
        raise NameFault(text, "contains a blank or a control character")
    if b"\\" not in raw:
        return raw.removesuffix(b".").split(b".")
    labels: list[bytes] = []
    label = bytearray()
    position = 0
    while position < len(raw):
        byte = raw[position]
        position += 1
        if byte == 0x2E:
            labels.append(bytes(label))
            label.clear()
            continue
        if byte == 0x5C:
            digits = raw[position : position + 3]
            if len(digits) == 3 and digits.isdigit() and int(digits) <= 0xFF:
                byte = int(digits)
                position += 3
            elif digits and not digits[:1].isdigit():
                byte = digits[0]
                position += 1
            else:
                raise NameFault(text, "has an incomplete escape")
        label.append(byte)
    # An escape always leaves a byte. So nothing collected at the end means that the text ended with its optional dot.
    if label:
        labels.append(bytes(label))
    return labels


def name_text(name: bytes) -> str:
    """Return a wire name as printable ASCII for people and logs, all else escaped. Only the root ends in a dot."""
    if name == ROOT:
        return "."
    parts: list[str] = []
    position = 0
    while (size := name[position]) != 0:
        position += 1
        label = name[position : position + size]
        if label.isalnum() or _PLAIN_LABEL(label):
            parts.append(label.decode())
        else:
            parts.append("".join(map(_byte_text, label)))
        position += size
    return ".".join(parts)


def _byte_text(byte: int) -> str:
    if byte in _ESCAPED:
        return "\\" + chr(byte)
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03d}"


def suffixes(name: bytes) -> tuple[bytes, ...]:
    """Return the name, its parent, and so on to the top-level label, without the root."""
    found: list[bytes] = []
    position = 0
    while (size := name[position]) != 0:
        found.append(name[position:])
        position += size + 1
    return tuple(found)


def label_count(name: bytes) -> int:
    """Return the number of labels of a name. The root has none."""
    count = position = 0
    while (size := name[position]) != 0:
        position += size + 1
        count += 1
    return count


def is_at_or_below(name: bytes, zone: bytes) -> bool:
    """Return whether `name` is `zone` or ends in it on a label boundary. Both are folded."""
    if not name.endswith(zone):
        return False
    boundary = len(name) - len(zone)
    position = 0
    while position < boundary:
        position += name[position] + 1
    return position == boundary


def parent(name: bytes) -> bytes:
    """Return the name without its first label. The root is its own parent."""
    return name[name[0] + 1 :] if name[0] else ROOT


def read_name(message: bytes, offset: int, hops: HopBudget) -> tuple[bytes, int]:
    """Return the name at `offset`, uncompressed and in its original case, and the offset after it.

    A pointer must lead past the header, to labels that end before the labels that it continues begin (RFC 1035 section
    4.1.4: a prior occurrence). So no chain can loop. Raise `MalformedMessage` on anything else: label types 01 and 10,
    more than 255 bytes, more than 16 pointers.
    """
    run = skip_labels(message, offset)
    if message[run] == 0:
        return message[offset : run + 1], run + 1
    target = _pointer(message, run, offset, hops)
    tail = hops.known.get(target) or _read_tail(message, target, hops)
    return _joined(message, offset, run, tail).name, run + 2


def _read_tail(message: bytes, target: int, hops: HopBudget) -> Tail:
    """Return the target of a pointer to `target`, and remember it for the next pointer there."""
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
            raise MalformedMessage(f"read name: more than {MAX_HOPS_PER_NAME} pointers in a name at byte {target}")
        start = _pointer(message, run, start, hops)
        tail = hops.known.get(start)
    for start, run in reversed(runs):
        tail = _joined(message, start, run, tail)
    hops.known[target] = tail
    return tail


def _joined(message: bytes, start: int, run: int, tail: Tail) -> Tail:
    """Return the labels from `start` to the pointer at `run`, continued by that pointer's target."""
    if tail.end > start:
        raise MalformedMessage(f"read name: the pointer at byte {run} leads to labels that run into its own")
    if tail.pointers >= MAX_HOPS_PER_NAME:
        raise MalformedMessage(f"read name: more than {MAX_HOPS_PER_NAME} pointers in a name at byte {start}")
    name = message[start:run] + tail.name if run > start else tail.name
    if len(name) > MAX_NAME:
        raise MalformedMessage(f"read name: longer than {MAX_NAME} bytes at byte {start}")
    return Tail(name, tail.pointers + 1, run + 2)


def _pointer(message: bytes, position: int, run: int, hops: HopBudget) -> int:
    """Return the target of the pointer at `position`, which ends the run of labels that began at `run`."""
    if position + 1 >= len(message):
        raise MalformedMessage(f"read name: cut short at byte {position}")
    hops.left -= 1
    if hops.left < 0:
        raise MalformedMessage(f"read name: the message has too many pointers at byte {position}")
    target = ((message[position] & 0x3F) << 8) | message[position + 1]
    if not HEADER_SIZE <= target < run:
        raise MalformedMessage(f"read name: pointer to byte {target} at byte {position} does not lead backwards")
    return target


def skip_labels(message: bytes, offset: int) -> int:
    """Return the offset of the byte that ends the labels at `offset`: a root label or a pointer's first byte."""
    size = len(message)
    position = offset
    limit = offset + MAX_NAME
    while position < size:
        byte = message[position]
        if byte == 0 or byte >= 0xC0:
            return position
        if byte > MAX_LABEL:
            raise MalformedMessage(f"read name: label type {byte >> 6} at byte {position}")
        position += byte + 1
        if position >= limit:
            raise MalformedMessage(f"read name: longer than {MAX_NAME} bytes at byte {offset}")
    raise MalformedMessage(f"read name: cut short at byte {offset}")


def skip_name(message: bytes, offset: int) -> int:
    """Return the offset after the name at `offset`. A pointer ends it and is not followed.

    Raise `MalformedMessage` if it is cut short.
    """
    run = skip_labels(message, offset)
    end = run + 1 if message[run] == 0 else run + 2
    if end > len(message):
        raise MalformedMessage(f"read name: cut short at byte {run}")
    return end
