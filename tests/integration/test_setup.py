"""`dnsfilter setup` on an installed machine, with the units and as their users."""

import json
from collections.abc import Iterator

import pytest

from tests.support import tutorial
from tests.support.installed_machine import Installed
from tests.support.nodes import eventually

pytestmark = pytest.mark.heavy

SERVER = tutorial.HERE
ETC = "/etc/dnsfilter"
READ_ALL = f"find {ETC} -type f | sort | xargs cat"
TOKEN_FILE = "export DNSFILTER_TOKEN_FILE=/var/lib/dnsfilter/admin-token\n"


@pytest.fixture
def machine() -> Iterator[Installed]:
    """Yield a machine on which the program is installed, and nothing is configured or started."""
    with Installed() as made:
        made.space.add_address(f"{SERVER}/32")
        made.install()
        yield made


def setup(machine: Installed, line: str = "dnsfilter setup") -> dict[str, object]:
    found: dict[str, object] = json.loads(machine.sh(f"{line.rstrip()} --json"))
    return found


def rcode(machine: Installed, name: str = "www.tiktok.com") -> str:
    return machine.dig(name, server=SERVER, bind=SERVER).rcode


@pytest.mark.slow
def test_a_second_run_changes_only_what_is_asked(machine: Installed) -> None:
    with tutorial.servers(machine.space):
        first = setup(machine, f"{tutorial.SETUP.rstrip()} --mail-server 192.0.2.25 --mail-from dns@ghent.example")
    assert not any("[[zone]]" in note for note in first["notes"])  # type: ignore[attr-defined]
    files = [f"{ETC}/{name}" for name in ("dnsfilter.toml", "api.env", "policy.toml")]
    assert list(first["changed"]) == files  # type: ignore[call-overload]
    assert (first["started"], first["next"]) == (True, [])
    owners = machine.owners(ETC)
    assert owners["dnsfilter.toml"] == owners["policy.toml"] == "root:dnsfilter:640"
    assert owners["api.env"] == "root:dnsfilter-api:640"
    assert setup(machine)["changed"] == {}
    machine.sh(f"echo '# our own line' >> {ETC}/dnsfilter.toml")
    more = "--listen 192.0.2.53 --network 192.0.2.64/26,private,public,visitors"
    changed = setup(machine, f"dnsfilter setup {more}")["changed"]
    copy = changed[f"{ETC}/dnsfilter.toml"]  # type: ignore[index]
    for path, listen in ((f"{ETC}/dnsfilter.toml", 1), (copy, 2)):
        text = machine.sh(f"cat {path}")
        assert "# our own line" in text
        assert 'suffix = "corp.example"' in text
        assert sum(line.count(":53") for line in text.splitlines() if line.startswith("listen")) == listen
    assert machine.sh(f"{TOKEN_FILE}dnsfilterctl range list").count("ghent") == 2
    left = "dig @127.0.0.1 +tries=1 +time=1 health.dnsfilter.internal"
    assert eventually(lambda: machine.run(left).returncode != 0)


def test_every_problem_is_reported_and_nothing_is_changed(machine: Installed) -> None:
    before, text = machine.owners(ETC), machine.sh(READ_ALL)
    done = machine.run(
        "dnsfilter setup --yes --listen 203.0.113.9 --upstream 198.51.100.1 --authority ghent --name nl=Gent "
        "--kind city --contact ict@ghent.example --network 192.0.2.0/24,public,staff"
    )
    assert done.returncode == 2
    assert f"{ETC}/dnsfilter.toml" not in done.stdout
    assert "203.0.113.9" in done.stderr
    assert "--upstream: ask 198.51.100.1:53 over UDP: " in done.stderr
    assert "add --force to write it all the same" in done.stderr
    assert "'city' is not one of" in done.stderr
    assert ".setup" not in done.stderr
    assert machine.sh(READ_ALL) == text
    assert machine.owners(ETC) == before
    machine.sh(f"sed -i 's,http://127.0.0.1:8080,https://control.example.org,' {ETC}/dnsfilter.toml")
    done = machine.run("dnsfilter setup --yes --upstream 127.0.0.1:9")
    assert (done.returncode, "another machine's: set up the control plane's machine" in done.stderr) == (2, True)
    machine.sh(f"sed -i 's,https://control.example.org,http://127.0.0.1:8080,' {ETC}/dnsfilter.toml")
    # As `systemctl mask` does.
    machine.sh("mkdir -p /etc/systemd/system; ln -s /dev/null /etc/systemd/system/dnsfilter-api.service")
    done = machine.run("dnsfilter setup --yes --upstream 198.51.100.1 --force")
    machine.sh("rm /etc/systemd/system/dnsfilter-api.service")
    assert (done.returncode, "dnsfilter-api is masked, so this machine is only a node" in done.stderr) == (2, True)
    assert machine.run("test -e /var/lib/dnsfilter/token-key").returncode == 1


@pytest.mark.slow
def test_without_systemd_the_lines_to_type_are_printed_and_later_runs_register_what_is_missing(
    machine: Installed,
) -> None:
    machine.sh(f"rmdir /run/systemd/system && find {ETC} -type f -delete")
    line = f"{tutorial.SETUP.rstrip()} --force"
    done = machine.run(f"{line} --json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["started"] is False
    assert "systemctl enable --now dnsfilter-api dnsfilter" in said["next"][0]
    machine.sh("systemctl enable --now dnsfilter-api dnsfilter")
    assert list(setup(machine, line)["changed"]) == [f"{ETC}/policy.toml"]  # type: ignore[call-overload]
    own = "health.dnsfilter.internal"
    assert eventually(lambda: rcode(machine, own) == "NOERROR")
    machine.sh(f"{TOKEN_FILE}dnsfilterctl range remove 192.0.2.0/24")
    assert eventually(lambda: rcode(machine, own) == "REFUSED")
    machine.sh("mkdir -p /run/systemd/system")
    assert setup(machine, line)["changed"] == {}
    assert eventually(lambda: rcode(machine, own) == "NOERROR")
    machine.sh(
        "systemctl stop dnsfilter dnsfilter-api\nrm -r /var/lib/dnsfilter\nsystemd-tmpfiles --create dnsfilter.conf"
    )
    assert setup(machine)["changed"] == {}
    assert eventually(lambda: rcode(machine, own) == "NOERROR")
