"""The tutorial's commands, typed as printed on a machine where the program is installed."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.support.documents import blocks
from tests.support.namespaces import KnotWithin, Namespace
from tests.support.nodes import eventually

PAGE = "docs/tutorial/office-in-30-minutes.md"
SETUP = blocks(PAGE, "2. Set up, and refuse nobody")[0]
ADOPT = blocks(PAGE, "5. Ban TikTok, and only monitor")[0]
ENFORCE = blocks(PAGE, "6. Refuse it")[0]
HERE, SECOND, UNREGISTERED = "192.0.2.53", "192.0.2.17", "10.1.2.3"
"""Addresses of this machine, of the second one, and of a client in a network that is not registered."""
SERVERS = ("198.51.100.1", "198.51.100.2", "192.0.2.10", "192.0.2.11")
"""Upstreams and domain controllers."""
_SOA = "$TTL 3600\n@ SOA ns.example.org. hostmaster.example.org. 1 3600 900 86400 300\n@ NS ns.example.org.\n"
_ZONES = {
    ".": f"{_SOA}www.example.org A 203.0.113.80\nwww.tiktok.com A 203.0.113.81\n",
    "corp.example": f"{_SOA}_ldap._tcp.dc._msdcs SRV 0 100 389 dc1\ndc1 A 192.0.2.10\n",
    "2.0.192.in-addr.arpa": _SOA,
}


@contextmanager
def servers(space: Namespace, device: str = "lo") -> Iterator[None]:
    """Run the servers of the tutorial in a network that has the addresses of its machines."""
    space.add_address(*(f"{address}/32" for address in (SECOND, UNREGISTERED, *SERVERS)), device=device)
    with ExitStack() as running:
        for address in SERVERS:
            running.enter_context(KnotWithin(space, _ZONES, address=address, port=53))
        yield


def follow(sh: Callable[[str], str]) -> None:
    """Type the commands from step 2 on. Assert that what the tutorial says appears."""
    assert "the resolver runs" in sh(SETUP)
    (here,), (there,) = blocks(PAGE, "3. Ask from this machine"), blocks(PAGE, "4. Ask from another machine")
    for lines in (here, _from(SECOND, there)):
        shown = sh(lines)
        assert re.findall(r"status: (\w+)", shown) == ["NOERROR"]
        assert '"authority=ghent" "range=192.0.2.0/24" "label=offices"' in shown
    assert "389 dc1.corp.example." in sh(here)
    assert "0 findings" in sh(here)

    _, ask, look = blocks(PAGE, "5. Ban TikTok, and only monitor")
    sh(ADOPT)
    assert eventually(lambda: "203.0.113.81" in sh(_from(SECOND, ask)))
    assert eventually(
        lambda: "monitored ghent: www.tiktok.com" in (shown := sh(look)) and "verdict    monitor" in shown
    )

    _, ask = blocks(PAGE, "6. Refuse it")
    sh(ENFORCE)
    assert eventually(lambda: "status: REFUSED" in (shown := sh(_from(SECOND, ask))) and "EDE: 15 (Blocked)" in shown)

    assert "status: NOERROR" in sh(_from(UNREGISTERED, f"dig @{HERE} www.example.org"))
    check, add, status = blocks(PAGE, "8. The two weeks after")[0].splitlines()
    assert eventually(lambda: "10.1.2.0/24" in sh(check), every_s=1)
    sh(add)
    assert eventually(lambda: "range=10.1.0.0/16" in sh(_from(UNREGISTERED, there)))
    assert "learning" in sh(status)

    (suspend,) = blocks(PAGE, "When it goes wrong")
    sh(suspend)
    assert eventually(lambda: "status: NOERROR" in sh(_from(SECOND, ask)))


def _from(client: str, lines: str) -> str:
    """Return lines of a shell in which `dig` asks from a client's address."""
    return f'dig() {{ command dig -b {client} "$@"; }}\n{lines}'
