"""RFC 8906 section 8: each probe gets an answer, from a node through dig and from every engine as bytes.

The probes are for authorities and so have no RD. This resolver refuses such queries with REFUSED. So each probe is
also sent with RD.
"""

from dataclasses import dataclass

import dns.edns
import dns.message
import dns.rcode

from dnsfilter.telemetry.metrics import Transport
from tests.conformance.ways import bytes_of
from tests.contract.cases import office
from tests.support.engines import GHENT, MECHELEN, query
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, denial
from tests.support.starting import Start
from tests.unit.wire.build import opt

EDNS = ("+nocookie", "+noad")


# Section 8.1.5 asks for TCP, so every probe is also sent over TCP.


QUESTION = query("example.org", "SOA", edns=False)[12:]
BANNED = query("www.tiktok.com", "SOA", edns=False)[12:]


@dataclass(frozen=True, slots=True)
class WireProbe:
    """The same probe as bytes: header word (the test adds RD), OPT, and the expected rcode and OPT."""

    section: str
    flags: int = 0
    opt: bytes = b""
    rcode: int = dns.rcode.NOERROR
    expected: bytes = b""
    header_only: bool = False
    copied: int = 0
    """Bits of the header word that the answer copies."""


VERSION_1, UNKNOWN_FLAG, DO = 0x0001_0000, 0x40, 0x8000
UNKNOWN_OPTION = b"\0\x64\0\0"
SEVERAL = b"\0\x0a\0\x0812345678\0\x03\0\0\0\x09\0\0\0\x08\0\x04\0\1\0\0"
OURS, OURS_DO = opt(), opt(ttl=DO)
OURS_BADVERS = opt(ttl=0x0100_0000)
OURS_BADVERS_DO = opt(ttl=0x0100_8000)
BADVERS = dns.rcode.BADVERS

SIZES = (
    WireProbe("8.1.1 zone"),
    WireProbe("8.1.3.1 CD", 0x0010, copied=0x0010),
    WireProbe("8.1.3.2 AD", 0x0020),
    WireProbe("8.1.3.3 reserved bit", 0x0040),
    WireProbe("8.1.4 unknown opcode", 0x7800, rcode=dns.rcode.NOTIMP, header_only=True, copied=0x7800),
    WireProbe("8.1.4 with a question", 0x7800, rcode=dns.rcode.NOTIMP, copied=0x7800),
    WireProbe("8.1.4 with EDNS", 0x7800, opt(), dns.rcode.NOTIMP, OURS, copied=0x7800),
    WireProbe("8.1.4 with EDNS alone", 0x7800, opt(), dns.rcode.NOTIMP, OURS, header_only=True, copied=0x7800),
    WireProbe("8.2.1 minimal EDNS", 0, opt(), expected=OURS),
    WireProbe("8.2.2 version", 0, opt(ttl=VERSION_1), BADVERS, OURS_BADVERS),
    WireProbe("8.2.3 unknown option", 0, opt(UNKNOWN_OPTION), expected=OURS),
    WireProbe("8.2.4 unknown flag", 0, opt(ttl=UNKNOWN_FLAG), expected=OURS),
    WireProbe("8.2.5 version and flag", 0, opt(ttl=VERSION_1 | UNKNOWN_FLAG), BADVERS, OURS_BADVERS),
    WireProbe("8.2.6 version and option", 0, opt(UNKNOWN_OPTION, ttl=VERSION_1), BADVERS, OURS_BADVERS),
    WireProbe("8.2.8 DO", 0, opt(ttl=DO), expected=OURS_DO),
    WireProbe("8.2.9 version and DO", 0, opt(ttl=VERSION_1 | DO), BADVERS, OURS_BADVERS_DO),
    WireProbe("8.2.10 options", 0, opt(SEVERAL), expected=OURS),
)


@each_row("transport", tuple(Transport))
@each_row("rd", [True, False])
@each_row("probe", SIZES, ids=lambda probe: str(probe.section))
def test_every_probe_is_answered_byte_for_byte(start: Start, probe: WireProbe, rd: bool, transport: Transport) -> None:
    rig = start(office(), Scripted(lambda asked: (denial(asked, asked.name.partition(".")[2], rcode=0),)))
    recursion = 0x0100 if rd else 0
    for question, client in ((QUESTION, GHENT), (BANNED, MECHELEN), (BANNED, GHENT)):
        asked = b"" if probe.header_only else question
        head = b"\xbe\xef" + (probe.flags | recursion).to_bytes(2, "big")
        counts = bytes([0, len(asked) > 0, 0, 0, 0, 0, 0, len(probe.opt) > 0])
        data = bytes_of(rig, head + counts + asked + probe.opt, client, transport)
        sound = probe.rcode == dns.rcode.NOERROR
        refused = sound and (not rd or (question is BANNED and client == GHENT))
        rcode = dns.rcode.REFUSED if refused else probe.rcode
        assert data[:2] == b"\xbe\xef"
        offered = 0x8000 if probe.copied & 0x7800 else 0x8080 | recursion  # an unknown opcode has no flags
        assert int.from_bytes(data[2:4], "big") == offered | probe.copied | (rcode & 15)
        assert data[12 : 12 + len(asked)] == asked
        found = dns.message.from_wire(data)
        assert (found.rcode(), found.answer, len(found.authority)) == (rcode, [], sound and not refused)
        if refused and probe.opt:  # the OPT holds an extended error
            assert (found.edns, found.ednsflags) == (0, DO if probe.expected == OURS_DO else 0)
        elif sound and not refused:
            has_cookie = probe.opt == opt(SEVERAL) and transport is not Transport.DOH
            cookies = [option.to_wire() for option in found.options if option.otype == dns.edns.OptionType.COOKIE]
            assert [cookie[:8] for cookie in cookies] == [b"12345678"] * has_cookie
            assert data.endswith(opt(b"\0\x0a\0\x18" + cookies[0]) if has_cookie else probe.expected)
            assert found.edns == (0 if probe.opt else -1)
        else:
            assert data[12 + len(asked) :] == probe.expected
