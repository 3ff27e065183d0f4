"""The chapter on Active Directory: its configuration and commands, in front of a controller and behind one.

Knot stands for the first controller, which takes dynamic updates, and dnsmasq for the second, which forwards.
"""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.components import component, end
from tests.support.documents import blocks
from tests.support.installed_machine import BIN, Installed
from tests.support.namespaces import KnotWithin
from tests.support.nodes import eventually
from tests.support.tutorial import ADOPT, ENFORCE

pytestmark = pytest.mark.slow

CHAPTER = "docs/tasks/active-directory.md"
IN_FRONT = "2. Put dnsfilter in front of the controllers"
BEHIND = "3. Put dnsfilter behind the controllers"
UPDATES = "4. Dynamic updates"
CLIENTS = "docs/tasks/client-settings.md"
SINGLE = "Names of one label"
NODE, DC1, DC2, PUBLIC, CLIENT = "192.0.2.53", "192.0.2.10", "192.0.2.11", "198.51.100.1", "192.0.2.101"
CONFIG = "/etc/dnsfilter/dnsfilter.toml"
TOKEN_FILE = "export DNSFILTER_TOKEN_FILE=/var/lib/dnsfilter/admin-token"
SOA = "@ 1200 SOA dc1.corp.example. hostmaster.corp.example. 1 900 600 86400 2\n@ 1200 NS dc1.corp.example.\n"
OFFICE = {
    "corp.example": SOA
    + f"dc1 1200 A {DC1}\ndc2 1200 A {DC2}\n"
    + "_ldap._tcp.dc._msdcs 600 SRV 0 100 389 dc1\n_ldap._tcp.dc._msdcs 600 SRV 0 100 389 dc2\n",
    "2.0.192.in-addr.arpa": SOA + "10 1200 PTR dc1.corp.example.\n",
}
"""A domain as a controller serves it, except that a name that does not exist is kept for two seconds only."""
LEAK = "203.0.113.66"
ROOT = f". 60 SOA ns. hostmaster. 1 900 600 86400 2\n. 60 NS ns.\nns. 60 A {PUBLIC}\nprinter. 60 A {LEAK}\n"
INTERNET = {
    ".": ROOT + f"www.tiktok.com. 60 A {LEAK}\n",
    "org": f"org. 60 SOA ns. hostmaster. 1 900 600 86400 2\norg. 60 NS ns.\nwww.example.org. 60 A {LEAK}\n",
}
"""A public DNS in which somebody has registered `printer`."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Installed]:
    """Yield the office as the tutorial leaves it, with its first controller and a public resolver."""
    with Installed() as made:
        made.space.add_address(*(f"{address}/32" for address in (NODE, DC1, DC2, PUBLIC, CLIENT)))
        servers = ((DC1, OFFICE, True), (PUBLIC, INTERNET, False))
        running = [
            KnotWithin(made.space, zones, updated=updated, address=address, port=53)
            for address, zones, updated in servers
        ]
        with running[0], running[1]:
            _install(made)
            yield made


@pytest.fixture(scope="module", autouse=True)
def _forwarder(machine: Installed) -> Iterator[None]:
    """Run the second controller: it knows the domain, and forwards everything else to the node."""
    program = machine.space.component("dnsmasq")
    options = ("-k", "-C", "/dev/null", "-R", "-h", "-z", f"--listen-address={DC2}", "--no-ping", "--user=root")
    ways = (f"--server={NODE}@{DC2}", *(f"--server=/{zone}/{DC1}" for zone in OFFICE))
    process = subprocess.Popen([str(program.path), *options, *ways], env=program.env)
    try:
        assert eventually(lambda: machine.run(f"dig @{DC2} +tries=1 +time=1 SOA corp.example").returncode == 0)
        yield
    finally:
        end(process)


def _install(machine: Installed) -> None:
    """Install and set up, configure as the chapter says, and adopt the tutorial's ban."""
    outside = component("nsupdate")
    settings = " ".join(f"{name}={value}" for name, value in outside.env.items() if name == "LD_LIBRARY_PATH")
    wrapper = f'#!/bin/sh\nexec env {settings} {outside.path} "$@"\n'
    machine.sh(f'printf "%s" "$TEXT" > {BIN}/nsupdate && chmod 0755 {BIN}/nsupdate', TEXT=wrapper)
    machine.sh(f"rm -f /etc/resolv.conf && echo nameserver {NODE} > /etc/resolv.conf")
    machine.install()
    machine.sh(f"dnsfilter setup --yes --listen {NODE} --listen 127.0.0.1 --upstream {PUBLIC}")
    zones, limits = *blocks(CHAPTER, IN_FRONT, "toml"), *blocks(CHAPTER, BEHIND, "toml")
    machine.sh(f'printf "\\n%s\\n%s" "$ZONES" "$LIMITS" >> {CONFIG}', ZONES=zones, LIMITS=limits)
    machine.sh(blocks("docs/tasks/register-networks.md", "Register networks")[0])
    machine.sh(blocks(CHAPTER, IN_FRONT)[0])
    machine.sh(f"{TOKEN_FILE}\n{blocks(CHAPTER, BEHIND)[0]}")
    machine.sh(f"{TOKEN_FILE}\n{ADOPT}{ENFORCE}")
    assert eventually(lambda: machine.dig("www.tiktok.com", server=NODE, bind=CLIENT).rcode == "REFUSED")
    assert eventually(lambda: "dc1" in machine.sh(f"dig @{NODE} +short SOA corp.example"))


def test_a_client_finds_its_controllers_through_the_node(machine: Installed) -> None:
    found = machine.sh(blocks(CHAPTER, IN_FRONT)[1]).splitlines()
    assert sorted(found[:2]) == ["0 100 389 dc1.corp.example.", "0 100 389 dc2.corp.example."]
    assert found[2] == "dc1.corp.example."
    assert found[3].startswith("dc1.corp.example. ")


def test_an_update_goes_to_the_primary_server_and_is_seen_through_the_node(machine: Installed) -> None:
    update, look = blocks(CHAPTER, UPDATES)[0].splitlines()
    machine.sh(update)
    assert machine.sh(look) == "192.0.2.107\n"


def test_a_name_that_was_asked_for_before_is_seen_after_its_ttl(machine: Installed) -> None:
    assert machine.dig("pc8.corp.example", server=NODE).rcode == "NXDOMAIN"
    machine.sh("printf 'update add pc8.corp.example. 1200 A 192.0.2.108\\nsend\\n' | nsupdate")
    assert eventually(lambda: machine.dig("pc8.corp.example", server=NODE).rdata("A") == ["192.0.2.108"])


def test_hosts_of_one_label_stay_in_the_office(machine: Installed) -> None:
    assert machine.dig("printer", server=PUBLIC).rdata("A") == [LEAK]
    shown = machine.sh(blocks(CLIENTS, SINGLE)[0])
    assert LEAK not in shown
    assert re.findall(r"status: (\w+)", shown) == ["NOERROR", "NOERROR"]
    assert re.search(r"^org\.\s+\d+\s+IN\s+NS\s+ns\.$", shown, re.MULTILINE)


def test_behind_a_controller_every_client_has_the_controllers_range(machine: Installed) -> None:
    (probe,) = machine.sh(blocks(CHAPTER, BEHIND)[1]).splitlines()
    assert "ghent" in probe
    assert "dc2" in probe
    assert machine.dig("www.tiktok.com", server=DC2, bind=CLIENT).rcode == "REFUSED"
    assert machine.dig("www.example.org", server=DC2, bind=CLIENT).rdata("A") == [LEAK]
