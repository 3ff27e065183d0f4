"""The only definition of the snapshot format: numbers, sections and records. See `docs/reference/snapshot-format.md`.

Every number is little-endian. Every record has a fixed width without hidden padding, so that C reads the files in
place. Offsets inside a section count from the section's start; those of sections count from the file's start.
"""

from enum import IntEnum
from struct import Struct
from typing import Final

from dnsfilter.policy.model import Reply
from dnsfilter.telemetry.metrics import BanGround

VERSION: Final = 1
READABLE_VERSIONS: Final = frozenset(version for version in (VERSION - 1, VERSION) if version > 0)
MAGIC: Final = b"dnsfltr\x00"
BYTE_ORDER_MARK: Final = 0x0A0B0C0D
ALIGNMENT: Final = 64
"""Sections start at multiples of a cache line."""
MAX_SECTIONS: Final = 64
MAX_MANIFEST_BYTES: Final = 4096

# magic, kind, version, byte order mark, number of sections, file size, space for a signature
HEADER: Final = Struct("<8sHHII4xQ64s")
# id, bytes of one record (1: no records), offset, length
SECTION: Final = Struct("<IIQQ")


class Kind(IntEnum):
    """The three kinds of file."""

    NAMES = 1
    RANGES = 2
    RULES = 3


class Part(IntEnum):
    """The sections. Readers skip unknown ids."""

    STRINGS = 1
    NAMES_META = 16
    SLOTS = 17
    RECORDS = 18
    ENTRIES = 19
    SITES = 32
    V4_STARTS = 33
    V4_RANGES = 34
    V6_STARTS = 35
    V6_RANGES = 36
    RANGES = 37
    CLASSES = 48
    RULES = 49
    SPANS = 50
    RULE_ENTRIES = 51
    BANS = 52
    ADDRESSES = 53
    PAIRS = 54
    CONCERNED = 55
    SUSPENSIONS = 56
    BAN_COUNTS = 57
    RULE_COUNTS = 58
    CLASS_COUNTS = 59
    CLASS_CLIENTS = 64
    ALLOWED = 65
    ALLOWED_NAMES = 66
    CLASS_ALLOWED = 67
    CLASS_SCOPES = 68
    STRUCTURED_TEXTS = 69
    FLEET_NAMES = 70


STRING: Final = Struct("<H")
"""Size in bytes of the UTF-8 that follows. A reference is the offset of this; offset 0 is the empty string."""

# hash key, slots (a power of two), names, longest probe, most labels of a name (without the root)
NAMES_META: Final = Struct("<16sIIII")
# upper half of the hash, offset of the record (0: empty slot)
SLOT: Final = Struct("<II")
# entries, bytes of the name; the name follows, then the entries
RECORD: Final = Struct("<HB")
# entry, flags
RECORD_ENTRY: Final = Struct("<HB")
# service's slug, tier, instant from which its names are enforced (0: always)
ENTRY: Final = Struct("<IHxxq")

# site's slug, first and number of its IPv4 intervals, first and number of its IPv6 intervals
SITE: Final = Struct("<IIIII")
V4_START: Final = Struct("<I")
V6_START: Final = Struct("16s")
INTERVAL_RANGE: Final = Struct("<I")
# first address (IPv4: four bytes, then zeros), prefix length, family (4 or 6), counted, class, label, site
RANGE: Final = Struct("<16sBBBxIII")

# authority's slug, first rule, rules
CLASS: Final = Struct("<III")
# ban, first entry, first span, spans, text, pair, entries, extended error, bound, pending
RULE: Final = Struct("<IIIIIIHHBBxx")
# start, end (exclusive), effect
SPAN: Final = Struct("<qqBxxxxxxx")
RULE_ENTRY: Final = Struct("<H")
# number, deciding authority's slug, service's slug, first address, addresses, reply
BAN: Final = Struct("<IIIIHBx")
# family (4 or 6), bytes (IPv4: four, then zeros)
ADDRESS: Final = Struct("<Bxxx16s")
# authority's slug, service's slug
PAIR: Final = Struct("<II")
# client's authority's slug, service's slug, deciding authority's slug, site and prefix (empty for all other ranges),
# ground
BAN_COUNT: Final = Struct("<IIIIIBxxx")
# ban count of the rule with the same index
RULE_COUNT: Final = Struct("<I")
# refusal as JSON of the rule with the same index
STRUCTURED_TEXT: Final = Struct("<I")
# number of the bypass counts of the class with the same index
CLASS_COUNT: Final = Struct("<I")
# instant until which clients of refused queries are noted, for the class with the same index; 0 for never
CLASS_CLIENT: Final = Struct("<q")

# start, end (exclusive), offset of the name in ALLOWED_NAMES, bytes of the name, exact
ALLOWED: Final = Struct("<qqIBBxx")
# first allowed name, allowed names, for the class with the same index
CLASS_ALLOWED: Final = Struct("<II")

# refusal of an own ban without its service, site and prefix that count on their own (empty for none), funding, audience
CLASS_SCOPE: Final = Struct("<IIIBBxx")

# start, end (exclusive), authority's slug as text (padded with zeros; empty for all)
SUSPENSION: Final = Struct("<qq64s")

# start, end (exclusive), first 12 bytes of the fleet's prefix, token and site's slug as text (padded with zeros)
FLEET_NAME: Final = Struct("<qq12s4x64s64s")

DOMAIN: Final = 1
"""Flag of an entry of a name: the name and all names below it."""
HOST: Final = 2
"""Flag of an entry of a name: only the name."""
NONE: Final = 0xFFFF_FFFF
"""No range, no pair, no count."""
MAX_ENTRIES: Final = 0xFFFF

REPLIES: Final = (Reply.REFUSED, Reply.NXDOMAIN, Reply.NODATA, Reply.ADDRESS)
"""A reply's code is its index here. New replies are added at the end."""

GROUNDS: Final = (BanGround.OWN, BanGround.LAW, BanGround.AGREEMENT)
"""A ground's code is its index here."""

# Name hash: polynomial over 7-byte words modulo a Mersenne prime, then one multiplication to spread the bits.
HASH_PRIME: Final = 2**61 - 1
HASH_WORD: Final = 7
HASH_SPREAD: Final = 0x9E37_79B9_7F4A_7C15
HASH_KEY_BYTES: Final = 16

PARTS: Final = {
    Kind.NAMES: {
        Part.STRINGS: 1,
        Part.NAMES_META: NAMES_META.size,
        Part.SLOTS: SLOT.size,
        Part.RECORDS: 1,
        Part.ENTRIES: ENTRY.size,
    },
    Kind.RANGES: {
        Part.STRINGS: 1,
        Part.SITES: SITE.size,
        Part.V4_STARTS: V4_START.size,
        Part.V4_RANGES: INTERVAL_RANGE.size,
        Part.V6_STARTS: V6_START.size,
        Part.V6_RANGES: INTERVAL_RANGE.size,
        Part.RANGES: RANGE.size,
    },
    Kind.RULES: {
        Part.STRINGS: 1,
        Part.CLASSES: CLASS.size,
        Part.RULES: RULE.size,
        Part.SPANS: SPAN.size,
        Part.RULE_ENTRIES: RULE_ENTRY.size,
        Part.BANS: BAN.size,
        Part.ADDRESSES: ADDRESS.size,
        Part.PAIRS: PAIR.size,
        Part.CONCERNED: RULE_ENTRY.size,
        Part.SUSPENSIONS: SUSPENSION.size,
        Part.BAN_COUNTS: BAN_COUNT.size,
        Part.RULE_COUNTS: RULE_COUNT.size,
        Part.CLASS_COUNTS: CLASS_COUNT.size,
        Part.CLASS_CLIENTS: CLASS_CLIENT.size,
        Part.ALLOWED: ALLOWED.size,
        Part.ALLOWED_NAMES: 1,
        Part.CLASS_ALLOWED: CLASS_ALLOWED.size,
        Part.CLASS_SCOPES: CLASS_SCOPE.size,
        Part.STRUCTURED_TEXTS: STRUCTURED_TEXT.size,
        Part.FLEET_NAMES: FLEET_NAME.size,
    },
}
"""The required sections of each file (except those in OPTIONAL), with the size in bytes of one record."""
OPTIONAL: Final = frozenset(
    {
        Part.SUSPENSIONS,
        Part.BAN_COUNTS,
        Part.RULE_COUNTS,
        Part.CLASS_COUNTS,
        Part.CLASS_CLIENTS,
        Part.ALLOWED,
        Part.ALLOWED_NAMES,
        Part.CLASS_ALLOWED,
        Part.CLASS_SCOPES,
        Part.STRUCTURED_TEXTS,
        Part.FLEET_NAMES,
    }
)
"""Left out if empty."""
