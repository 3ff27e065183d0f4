"""Zones with all kinds of names and records, signed and unsigned, to compare resolvers.

A real authoritative server serves `VARIED`. `SIGNED` gives the signed zones and how they are signed. No ban concerns
any of these names, and no resolver answers them by itself. Addresses are of documentation ranges.
"""

from collections.abc import Mapping

from tests.support.knot import Denial
from tests.support.zone_texts import website, zone


def _long_name(data: int, below: str) -> str:
    """Return a relative name that makes, with the zone `below`, a name of the given size in a message."""
    left = data - sum(len(label) + 1 for label in below.split(".")) - 1
    labels: list[str] = []
    while left > 0:
        # A label takes one byte more than it holds. The rest must hold at least one byte.
        length = min(63, left - 1) if left != 65 else 62
        labels.append("l" * length)
        left -= length + 1
    return ".".join(labels)


def _strings(number: int, size: int) -> str:
    return " ".join(f'"{chr(ord("a") + index % 26) * size}"' for index in range(number))


def _records(name: str, rtype: str, count: int, size: int) -> str:
    """Return records of one set that differ in their first bytes."""
    return "".join(f'{name} {rtype} "{index:03d}{"x" * (size - 3)}"\n' for index in range(count))


# In every zone, signed or not: data of all forms. The names are relative, so that each zone has its own.
DATA = f"""\
a1                      A      192.0.2.10
many                    A      198.51.100.21
many                    A      198.51.100.22
many                    A      198.51.100.23
many                    AAAA   2001:db8::21
many                    AAAA   2001:db8::22
UPPER.Case              A      192.0.2.11
UPPER.Case              TXT    "Mixed Case"
short               5   A      192.0.2.12
zero                0   A      192.0.2.13
zero                0   TXT    "never kept"
week           604800   A      192.0.2.14
\\000\\255\\010bin          A      192.0.2.15
dot\\.in\\.label           A      192.0.2.16
spa\\032ce.\\\\             TXT    "odd labels"
\\001.\\002.\\003            A      192.0.2.17
_443._tcp.a1            TLSA   3 1 1 {"ab" * 32}
_sip._tcp               SRV    10 20 5060 a1
_sip._tcp               SRV    20 0 5061 alias
_none._udp              SRV    0 0 0 .
mx                      MX     0 .
mx2                     MX     10 UPPER.Case
mx2                     MX     20 elsewhere.example.net.
naptr                   NAPTR  100 10 "S" "SIP+D2U" "!^.*$!sip:info@example.org!" _sip._tcp
naptr                   NAPTR  100 20 "" "" "" .
caa                     CAA    0 issue "ca.example.net; policy=ev"
caa                     CAA    128 tbs "unknown"
sshfp                   SSHFP  4 2 {"cd" * 32}
loc                     LOC    51 3 0.000 N 3 43 0.000 E 10.00m
hinfo                   HINFO  "CPU" "OS"
rp                      RP     hostmaster a1
uri                     URI    10 1 "https://www.example.org/path"
ptr                     PTR    UPPER.Case
svc                     HTTPS  0 svc-target
svc-target              HTTPS  1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.20 ipv6hint=2001:db8::20
svc-target              HTTPS  2 a1 alpn=h2 ech=AAj+DQAEAAAAAA==
svc-target              A      192.0.2.20
svc-private             SVCB   1 a1 mandatory=key65400 key65400="opaque\\255"
svc-alias               SVCB   0 elsewhere.example.net.
unknown                 TYPE65400 \\# 5 0102030405
unknown                 TYPE65401 \\# 0
unknown                 TYPE65402 \\# 4 C00C0001
unknown                 TYPE65280 \\# 14 0377777707657861c00c6c650000
big-1k                  TXT    {_strings(4, 240)}
big-2k                  TXT    {_strings(9, 240)}
big-8k                  TXT    {_strings(34, 240)}
edge-1                  TXT    {_strings(4, 255)}
{_records("set-2k", "TXT", 20, 90)}\
{_records("set-6k", "TXT", 60, 90)}\
{_records("set-20k", "TXT", 100, 190)}\
{_records("set-near", "TXT", 11, 90)}\
deep.empty.non.terminal A      192.0.2.30
*.wild                  A      192.0.2.31
*.wild                  TXT    "any of them"
*.wild                  MX     10 a1
held.wild               A      192.0.2.32
*.wild-alias            CNAME  a1
*.wild-out              CNAME  elsewhere.example.net.
*.wild-nothing          CNAME  missing
*.below.wild-deep       AAAA   2001:db8::33
alias                   CNAME  a1
Alias-Mixed             CNAME  uPPer.casE
alias-zero          0   CNAME  a1
alias-short         4   CNAME  many
alias-mx                CNAME  mx2
alias-big               CNAME  set-6k
alias-wild              CNAME  some.thing.wild
alias-denied            CNAME  missing
alias-empty             CNAME  empty.non.terminal
alias-loop              CNAME  alias-loop
loop-a                  CNAME  loop-b
loop-b                  CNAME  loop-c
loop-c                  CNAME  loop-a
tree                    DNAME  target-tree
a.target-tree           A      192.0.2.40
b.target-tree           CNAME  a.target-tree
c.target-tree           TXT    "at the end of a branch"
target-tree             A      192.0.2.41
into-tree               CNAME  a.tree
tree-out                DNAME  target-tree.example.net.
tree-twice              DNAME  tree
tree-long               DNAME  {_long_name(200, "example.org")}
inner1                  CNAME  inner2
inner2                  CNAME  inner3
inner3                  CNAME  inner4
inner4                  CNAME  inner5
inner5                  CNAME  inner6
inner6                  CNAME  inner7
inner7                  CNAME  inner8
inner8                  CNAME  a1
"""

# Paths between the zones: hopN.<zone> is an alias in the next zone, a different one each time.
ORDER = ("example.org", "example.net", "example.com", "example.edu")


def _hops(number: int) -> str:
    """Return this zone's links of two chains: hop1 to hop7 lead to data, end1 to end5 to nothing.

    `number` is the number of the zone.
    """
    following = ORDER[(number + 1) % len(ORDER)]
    links = [f"hop{link} CNAME hop{link + 1}.{following}.\n" for link in range(1, 7)] + ["hop7 A 192.0.2.70\n"]
    links += [f"end{link} CNAME end{link + 1}.{following}.\n" for link in range(1, 5)]
    links += [f"dangling CNAME nobody.at.{following}.\n", f"ring CNAME ring.{following}.\n"]
    links += [f"elsewhere CNAME a1.{following}.\n", f"HTTPS-out HTTPS 0 svc-target.{following}.\n"]
    return "".join(links)


# Longer than one answer of Knot, and longer than any resolver follows aliases.
LONG_CHAIN = "".join(f"far{link} CNAME far{link + 1}\n" for link in range(1, 24)) + "far24 A 192.0.2.71\n"

DELEGATIONS = """\
lame                    NS     ns.lame
lame                    NS     ns.elsewhere.example.net.
ns.lame                 A      192.0.2.60
ns.lame                 AAAA   2001:db8::60
held-back               NS     ns.example.net.
"""


def _varied(number: int, name: str) -> str:
    text = website(number + 1) + DATA + _hops(number)
    text += f"{_long_name(255, name)} A 192.0.2.72\n"
    return text + (LONG_CHAIN + DELEGATIONS if name in ("example.org", "example.net") else "")


ROOT_ZONE = """\
$ORIGIN .
$TTL 86400
@               SOA  ns.example.org. hostmaster.example.org. 2023031000 1800 900 604800 86400
@               NS   ns.example.org.
example.org     NS   ns.example.org.
ns.example.org  A    192.0.2.53
held.country    TXT  "a top level of one name"
"""

VARIED: Mapping[str, str] = {
    ".": ROOT_ZONE,
    **{name: zone(name, _varied(number, name)) for number, name in enumerate(ORDER)},
}
SIGNED: Mapping[str, Denial] = {"example.net": "nsec", "example.com": "nsec3"}
