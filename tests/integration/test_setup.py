"""`dnsfilter setup` on an installed machine, with the units and as their users."""

import json
from collections.abc import Iterator

import pytest

from tests.support.documents import blocks
from tests.support.installed_machine import Installed
from tests.support.nodes import eventually

pytestmark = pytest.mark.slow

GUIDE = "docs/guide/administrators.md"
SERVER = "192.0.2.53"
OFFICE = (
    f"--listen {SERVER} --listen 127.0.0.1 --upstream 198.51.100.1 --authority ghent --kind municipality "
    "--name 'nl=Stad Gent' --contact ict@ghent.example --network 192.0.2.0/24,public,staff,offices"
)
BAN = (
    "export DNSFILTER_TOKEN_FILE=/var/lib/dnsfilter/admin-token\n"
    "dnsfilterctl ban adopt ghent tiktok --organ city --reference EXAMPLE-GNT-2023-1 --date 2023-03-10 "
    "--legal-basis EXAMPLE-BASIS --for '6 months'"
)


@pytest.fixture
def machine() -> Iterator[Installed]:
    """Yield a machine on which the program is installed, and nothing is configured or started."""
    with Installed() as made:
        made.space.add_address(f"{SERVER}/32")
        _, install, _ = blocks(GUIDE, "1. Install")
        made.sh(install)
        made.sh("mkdir -p /run/systemd/system")
        yield made


def rcode(machine: Installed, name: str = "www.tiktok.com") -> str:
    return machine.dig(name, server=SERVER, bind=SERVER).rcode


def test_one_command_leads_to_a_resolver_that_refuses_and_again_changes_only_what_is_asked(machine: Installed) -> None:
    said = json.loads(machine.sh(f"dnsfilter setup --json {OFFICE}"))
    assert list(said["changed"]) == [f"/etc/dnsfilter/{name}" for name in ("dnsfilter.toml", "policy.toml")]
    assert (said["started"], said["next"]) == (True, [])
    machine.sh(BAN)
    assert eventually(lambda: rcode(machine) == "REFUSED")
    owners = machine.owners("/etc/dnsfilter")
    assert owners["dnsfilter.toml"] == owners["policy.toml"] == "root:dnsfilter:640"
    again = json.loads(machine.sh("dnsfilter setup --json"))
    assert again["changed"] == {}
    machine.sh("echo '# by hand' >> /etc/dnsfilter/dnsfilter.toml")
    third = json.loads(machine.sh("dnsfilter setup --json --listen 192.0.2.53 --network 192.0.2.64/26,private,public"))
    copy = third["changed"]["/etc/dnsfilter/dnsfilter.toml"]
    assert "# by hand" in machine.sh(f"cat /etc/dnsfilter/dnsfilter.toml {copy}")
    assert machine.sh("dnsfilterctl range list --token-file /var/lib/dnsfilter/admin-token").count("ghent") == 2


def test_every_problem_is_reported_and_nothing_is_changed(machine: Installed) -> None:
    before = machine.owners("/etc/dnsfilter")
    text = machine.sh("cat /etc/dnsfilter/*")
    done = machine.run(
        "dnsfilter setup --yes --listen 203.0.113.9 --upstream 198.51.100.1 --authority ghent --name nl=Gent "
        "--kind city --contact ict@ghent.example --network 192.0.2.0/24,public,staff"
    )
    assert done.returncode == 2
    assert "203.0.113.9" in done.stderr
    assert "'city' is not one of" in done.stderr
    assert ".setup" not in done.stderr
    assert machine.sh("cat /etc/dnsfilter/*") == text
    assert machine.owners("/etc/dnsfilter") == before
    assert machine.run("test -e /var/lib/dnsfilter/token-key").returncode == 1
