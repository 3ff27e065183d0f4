"""Zones for a real authoritative server: names that bans concern, other names, and paths between them.

The names of services are real, since policies refuse those. Every address is of a documentation range.
"""

from collections.abc import Mapping

WEBSITE = """\
@    A     192.0.2.{number}
@    AAAA  2001:db8::{number}
@    HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.{number}
@    TXT   "v=spf1 -all"
@    MX    10 mail
www  A     192.0.2.{number}
www  AAAA  2001:db8::{number}
www  HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.{number}
www  TXT   "the web site"
www  MX    10 mail
mail A     192.0.2.{number}
mail AAAA  2001:db8::{number}
"""

# Ten strings of 250 bytes: too large for 1232 bytes of UDP, so that the answer is truncated.
BIG_TXT = "\n".join(f'big  TXT   "{chr(ord("a") + number) * 250}"' for number in range(10))

EXAMPLE_ORG = f"""\
{BIG_TXT}
plain            300 A     198.51.100.10
short              5 A     198.51.100.11
many                 A     198.51.100.21
many                 A     198.51.100.22
many                 A     198.51.100.23
video                CNAME www.tiktok.com.
mixed                CNAME WWW.TikTok.COM.
hop1                 CNAME hop2
hop2                 CNAME hop3.example.net.
looks-like           CNAME www.nottiktok.com.
inner                CNAME plain
elsewhere            CNAME plain.example.net.
dangling             CNAME missing.example.net.
loop1                CNAME loop2.example.net.
alias-mode           HTTPS 0 www.tiktok.com.
service-mode         HTTPS 1 www.tiktok.com. alpn=h2
_sip._tcp            SRV   10 20 5060 www
tree                 DNAME tiktok.com.
*.wild               A     198.51.100.12
deep.empty.nonterminal A   198.51.100.13
"""

EXAMPLE_NET = """\
plain                A     203.0.113.10
plain                AAAA  2001:db8:1::10
hop3                 CNAME www.tiktok.com.
loop2                CNAME loop1.example.org.
c1                   CNAME c2.example.org.
"""

# c1.example.net, c2.example.org, ... c12: longer than any resolver should follow. Each link is in the other zone.
LONG_CHAIN = {
    "example.org": "".join(f"c{link} CNAME c{link + 1}.example.net.\n" for link in range(2, 12, 2))
    + "c12 A 198.51.100.99\n",
    "example.net": "".join(f"c{link} CNAME c{link + 1}.example.org.\n" for link in range(3, 12, 2)),
}

CORP_LOCAL = """\
@                        A    192.0.2.200
dc1                      A    192.0.2.201
dc2                      A    192.0.2.202
intranet                 CNAME dc1
_ldap._tcp.dc._msdcs     SRV  0 100 389 dc1
_ldap._tcp.dc._msdcs     SRV  0 100 389 dc2
_kerberos._tcp.dc._msdcs SRV  0 100 88 dc1
"""

REVERSE = "201 PTR dc1.corp.local.\n"


def zone(name: str, records: str) -> str:
    """Return a zone file with an SOA, a name server and its address, and the records.

    The negative TTL is 60 s, the TTL 300 s.
    """
    return f"""\
$ORIGIN {name}.
$TTL 300
@    SOA   ns hostmaster 2023031000 3600 600 86400 60
@    NS    ns
ns   A     192.0.2.53
ns   AAAA  2001:db8::53
{records}"""


def website(number: int) -> str:
    """Return records of a zone's apex, www and mail: A, AAAA, HTTPS, TXT and MX.

    `number` (1 to 254) ends every address.
    """
    return WEBSITE.format(number=number)


WEBSITES = (
    "tiktok.com",
    "tiktokv.com",
    "tiktokv.eu",
    "tiktokcdn.com",
    "byteoversea.com",
    "capcut.com",
    "lemon8-app.com",
    "facebook.com",
    "instagram.com",
    "x.com",
    "snapchat.com",
    "whatsapp.net",
    "nottiktok.com",
    "brussels.be",
)

ZONES: Mapping[str, str] = {
    **{name: zone(name, website(number)) for number, name in enumerate(WEBSITES, start=100)},
    "example.org": zone("example.org", website(1) + EXAMPLE_ORG + LONG_CHAIN["example.org"]),
    "example.net": zone("example.net", website(2) + EXAMPLE_NET + LONG_CHAIN["example.net"]),
}
"""What the public Internet of a test holds."""

OFFICE_ZONES: Mapping[str, str] = {
    "corp.local": zone("corp.local", CORP_LOCAL),
    "2.0.192.in-addr.arpa": zone("2.0.192.in-addr.arpa", REVERSE),
}
"""What an office's own server holds. Serve it from a second address or port."""
