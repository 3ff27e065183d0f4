"""The Debian package on a booted Debian 13 without compiler and network. `make slow` runs this.

DNSFILTER_PACKAGE names a package that was built before. Without it, the package is built of the last commit.
"""

import gzip
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyrage.x25519 import Identity

from api.manual.programs import manuals
from tests.bench.query_load import Asked, Target, ask
from tests.support import tutorial
from tests.support.booted_machine import BootedMachine, ensure_debian
from tests.support.components import PROJECT, impossible
from tests.support.documents import blocks
from tests.support.namespaces import KnotWithin
from tests.support.nodes import eventually

pytestmark = pytest.mark.slow

BACKUP = "docs/tasks/back-up-and-restore.md"
ZONE = "$TTL 3600\n@ SOA ns hostmaster 1 3600 900 86400 300\n@ NS ns\nns A 192.0.2.54\n* A 192.0.2.80\n"
OFFICE = "192.0.2.53"
UPSTREAM = "192.0.2.54"
RATE = 500
"""Queries a second during an upgrade."""
UNCOMPILED = 'rm -r "$site"/dnsfilter/worker/__pycache__'
FIRST, SECOND = "0.0.1", "0.0.2"
INSTALL = "apt-get install --yes --allow-downgrades -o Dpkg::Options::=--force-confold /srv/{version}.deb 2>&1"
LISTENING = f'sed -i \'s/^#*listen = .*/listen = ["{OFFICE}:53", "127.0.0.1:53"]/\' /etc/dnsfilter/dnsfilter.toml'


def built(directory: Path) -> Path:
    """Return the package of DNSFILTER_PACKAGE, else one that is built of the last commit. It takes minutes."""
    if named := os.environ.get("DNSFILTER_PACKAGE"):
        return Path(named)
    done = subprocess.run(
        [PROJECT / "scripts/release", "deb"],
        env=os.environ | {"DIST": str(directory)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        impossible(f"no package was built: {done.stderr}")
    (package,) = directory.glob("dnsfilter_*.deb")
    return package


def repacked(package: Path, directory: Path, version: str, *lines: str) -> Path:
    """Return the package with another version, changed by these lines of a shell: `$site` holds the packages."""
    unpacked, target = directory / f"{version}.tree", directory / f"{version}.deb"
    script = f"""
        dpkg-deb --raw-extract "$PACKAGE" "$TREE"
        site=$(echo "$TREE"/opt/dnsfilter/lib/python3*/site-packages)
        sed -i 's/^Version: .*/Version: {version}/' "$TREE/DEBIAN/control" "$site"/dnsfilter-*.dist-info/METADATA
        {"".join(f"{line}; " for line in lines)}
        dpkg-deb --root-owner-group -Zzstd -z1 --build "$TREE" "$TARGET"
    """
    environ = os.environ | {"PACKAGE": str(package), "TREE": str(unpacked), "TARGET": str(target)}
    subprocess.run(["bash", "-euc", script], env=environ, check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the same package in two versions. The second has another default configuration."""
    directory = tmp_path_factory.mktemp("packages")
    package = built(directory)
    repacked(package, directory, FIRST)
    repacked(package, directory, SECOND, 'echo "# changed" >> "$TREE/etc/dnsfilter/dnsfilter.toml"')
    return directory


@pytest.fixture
def machine(packages: Path) -> Iterator[BootedMachine]:
    """Yield a machine with an address and an upstream, and the packages in /srv. Nothing is installed."""
    ensure_debian()
    with BootedMachine() as booted:
        booted.add_device("eth0", f"{OFFICE}/24", f"{UPSTREAM}/24", "192.0.2.17/24")
        for version in (FIRST, SECOND):
            booted.put(packages / f"{version}.deb", f"{version}.deb")
        booted.sh(f"echo nameserver {UPSTREAM} > /etc/resolv.conf")
        with KnotWithin(booted, {".": ZONE}, address=UPSTREAM, port=53):
            yield booted


def rcode(machine: BootedMachine, name: str, server: str = OFFICE) -> str:
    found = re.search(r"status: (\w+)", machine.sh(f"dig -b 192.0.2.17 @{server} {name}"))
    return found[1] if found else ""


def with_office(machine: BootedMachine, version: str = FIRST) -> None:
    """Install, listen on the office's address, register its range and ban TikTok there, by the guide's commands."""
    machine.sh(INSTALL.format(version=version))
    machine.sh(f"{LISTENING}; systemctl reload dnsfilter")
    machine.sh(blocks("docs/tasks/register-networks.md", "Register networks")[0])


@contextmanager
def under_load(machine: BootedMachine, questions: Path) -> Iterator[list[Asked]]:
    """Ask all the time within the block. Afterwards the list has what dnsperf counted, in runs of a few seconds."""
    questions.write_text("".join(f"name{number}.example.org A\n" for number in range(200)))
    counted: list[Asked] = []
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            target = Target(53, "127.0.0.1", tcp=False)
            counted.append(ask(machine.component("dnsperf"), target, questions, seconds=5, rate=RATE))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield counted
    finally:
        ended.set()
        thread.join()


def test_the_tutorial_leads_from_the_package_to_a_refusal(machine: BootedMachine) -> None:
    assert machine.attempt("command -v gcc || command -v pip").returncode != 0
    (install,) = blocks(tutorial.PAGE, "1. Install")
    began = time.monotonic()
    printed = machine.sh(f"mkdir /srv/here && cd /srv/here && cp ../{FIRST}.deb dnsfilter_{FIRST}_amd64.deb\n{install}")
    assert "dnsfilter is installed" in printed
    assert machine.sh("systemctl is-active dnsfilter dnsfilter-api").split() == ["active", "active"]
    with tutorial.servers(machine, "eth0"):
        tutorial.follow(machine.sh)
    print(f"the tutorial: {time.monotonic() - began:.0f} s", flush=True)


def test_the_package_has_a_man_page_of_each_command(packages: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", packages / f"{FIRST}.deb", tmp_path], check=True)
    for manual in manuals():
        name, chapter = manual.program.name, manual.chapter
        packed = (tmp_path / f"usr/share/man/man{chapter}/{name}.{chapter}.gz").read_bytes()
        assert gzip.decompress(packed).startswith(b".TH %s " % name.upper().replace("-", r"\-").encode())
        assert packed[4:8] == bytes(4)  # without the time of the build


def test_upgrade_and_roll_back_lose_no_query(machine: BootedMachine, tmp_path: Path) -> None:
    with_office(machine)
    machine.sh("dnsfilterctl range add ghent 127.0.0.0/8 --funding public --audience staff --label machine")
    assert eventually(lambda: rcode(machine, "name1.example.org", "127.0.0.1") == "NOERROR", every_s=1)
    process = "systemctl show --property=MainPID --value dnsfilter"
    before = machine.sh(process)
    for version in (SECOND, FIRST):
        with under_load(machine, tmp_path / "questions") as counted:
            printed = machine.sh(INSTALL.format(version=version))
            assert f"The resolver runs version {version}." in printed
            assert eventually(lambda: shown(machine) == version, every_s=1)  # noqa: B023
        print(f"{version}: {sum(run.sent for run in counted)} queries in {len(counted)} runs", flush=True)
        assert [(run.sent - run.answered, set(run.rcodes)) for run in counted] == [(0, {"NOERROR"})] * len(counted)
    assert machine.sh(process) == before
    assert f'listen = ["{OFFICE}:53"' in machine.sh("cat /etc/dnsfilter/dnsfilter.toml")


def shown(machine: BootedMachine) -> str:
    """Return the node's version in the list of the control plane, which also was upgraded."""
    (node,) = json.loads(machine.sh("dnsfilterctl node list --json"))["items"]
    return str(node["version"])


def test_a_faulty_upgrade_leaves_the_resolver_as_it_is_and_names_the_way_back(
    machine: BootedMachine, packages: Path, tmp_path: Path
) -> None:
    with_office(machine)
    raising = "echo 'raise SystemExit(7)' > \"$site/dnsfilter/worker/process.py\""
    faulty = repacked(packages / f"{FIRST}.deb", tmp_path, SECOND, raising, UNCOMPILED)
    machine.put(faulty, "faulty.deb")
    printed = machine.sh(INSTALL.format(version="faulty"))
    assert "The resolver still runs the version before" in printed
    assert rcode(machine, "www.example.org") == "NOERROR"
    assert "upgrade failed" in machine.sh("systemctl status dnsfilter --no-pager")
    assert f"apt install --allow-downgrades -o Dpkg::Options::=--force-confold ./dnsfilter_{FIRST}_" in printed
    assert f"The resolver runs version {FIRST}." in machine.sh(INSTALL.format(version=FIRST))
    machine.sh("systemctl restart dnsfilter")
    assert rcode(machine, "www.example.org") == "NOERROR"


def test_an_older_control_plane_on_a_newer_schema_says_what_to_type(machine: BootedMachine) -> None:
    with_office(machine, SECOND)
    newer = (
        "import sqlite3; base = sqlite3.connect('/var/lib/dnsfilter/api/dnsfilter.sqlite3'); "
        "base.execute('UPDATE alembic_version SET version_num = ?', ('9999',)); base.commit()"
    )
    machine.sh(f'python3 -c "{newer}"')
    printed = machine.sh(INSTALL.format(version=FIRST))
    assert "The control plane does not start" in printed
    assert "dnsfilterctl restore FILE" in printed
    assert f"The resolver runs version {FIRST}." in printed
    assert rcode(machine, "www.example.org") == "NOERROR"


def test_a_reload_waits_or_fails_with_the_reason_and_the_old_configuration_stays(machine: BootedMachine) -> None:
    with_office(machine)
    file, status = "/etc/dnsfilter/dnsfilter.toml", "systemctl show --property=StatusText dnsfilter"
    for address in ("[::1]:53", "[::]:53"):  # the upstream of this machine leaves no room for 0.0.0.0
        machine.sh(f'sed -i \'s/^listen = .*/listen = ["{OFFICE}:53", "{address}"]/\' {file}')
        machine.sh("systemctl reload dnsfilter")
        assert f"{address} " in machine.sh("ss -Hlnu 'sport = 53'")
        assert rcode(machine, "www.example.org") == "NOERROR"
    machine.sh(f"cp {file} /srv/good.toml; echo nonsense >> {file}")
    assert machine.attempt("systemctl reload dnsfilter").returncode == 1
    assert f"configuration not reloaded: {file}:" in machine.sh(status)
    assert machine.sh("systemctl is-active dnsfilter").strip() == "active"
    assert rcode(machine, "www.example.org") == "NOERROR"
    found = json.loads(machine.attempt("dnsfilter doctor --json").stdout)["checks"]
    (finding,) = next(each["findings"] for each in found if each["check"] == "configuration")
    assert "; the configuration in force since " in finding["finding"]
    (command,) = re.findall(r"dnsfilter check && (systemctl reload dnsfilter)$", finding["advice"])
    machine.sh(f"cp /srv/good.toml {file}; {command}")
    assert "configuration not reloaded" not in machine.sh(status)
    found = json.loads(machine.attempt("dnsfilter doctor --json").stdout)["checks"]
    assert next(each["findings"] for each in found if each["check"] == "configuration") == []


def test_without_ipv6_a_held_port_is_named_and_freed_by_the_printed_lines(machine: BootedMachine) -> None:
    machine.sh("sysctl --write net.ipv6.conf.all.disable_ipv6=1")
    holder = (
        "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 53)); time.sleep(999)"
    )
    machine.sh(f'systemd-run --unit=holder python3 -c "{holder}"')
    printed = machine.sh(INSTALL.format(version=FIRST))
    assert "The resolver does not run" in printed
    assert 'users:(("python3"' in printed
    machine.sh("systemctl stop holder; systemctl restart dnsfilter")
    assert rcode(machine, "www.example.org", "127.0.0.1") == "REFUSED"


def test_without_its_database_the_package_is_complete_and_the_printed_line_makes_the_installation(
    machine: BootedMachine,
) -> None:
    file = "/etc/dnsfilter/api.env"
    machine.sh(
        f"dpkg-deb --fsys-tarfile /srv/{FIRST}.deb | tar -C / -x .{file}; cp {file} /srv\n"
        f"sed -i 's,^DNSFILTER_API_DATABASE=.*,DNSFILTER_API_DATABASE=postgresql+psycopg://a:b@127.0.0.1/c,' {file}"
    )
    printed = machine.sh(INSTALL.format(version=FIRST))
    assert "No installation was made" in printed
    (line,) = re.findall(r"^dnsfilter: (dnsfilter-api init; .*)$", printed, re.MULTILINE)
    machine.sh(f"cp /srv/api.env {file}; {line}")
    assert rcode(machine, "www.example.org", "127.0.0.1") == "REFUSED"
    assert machine.sh("systemctl is-enabled dnsfilter dnsfilter-api").split() == ["enabled", "enabled"]


def test_on_a_machine_with_a_masked_control_plane_nothing_is_made_or_started(machine: BootedMachine) -> None:
    old = "/opt/dnsfilter/lib/python3.13/site-packages/dnsfilter/of_a_checkout.py"
    machine.sh(f"mkdir --parents {Path(old).parent}; touch {old}")
    printed = machine.sh(f"systemctl mask dnsfilter-api 2>&1; {INSTALL.format(version=FIRST)}")
    assert "this machine is only a node" in printed
    assert machine.attempt("systemctl is-active dnsfilter").stdout.strip() == "inactive"
    assert machine.sh("ls -A /var/lib/dnsfilter/api /var/lib/dnsfilter/node").split() == [
        "/var/lib/dnsfilter/api:", "/var/lib/dnsfilter/node:",
    ]  # fmt: skip
    assert "The program from a checkout is now in /opt/dnsfilter." in printed
    assert machine.attempt(f"test -e {old}").returncode == 1


def test_remove_and_purge_leave_only_what_purge_names(machine: BootedMachine) -> None:
    before = files(machine)
    with_office(machine)
    machine.sh(f"cd /usr/share/doc/dnsfilter\n{blocks(BACKUP, 'Back up each night')[0]}")
    machine.sh("apt-get remove --yes dnsfilter")
    assert machine.attempt("systemctl is-active dnsfilter dnsfilter-api").stdout.split() == ["inactive", "inactive"]
    machine.sh(INSTALL.format(version=FIRST))
    assert rcode(machine, "www.tiktok.com") == "NOERROR"  # registered, and nothing is banned yet
    assert machine.sh("systemctl is-active dnsfilter-backup.timer").strip() == "active"
    machine.sh(f"{tutorial.SETUP.rstrip()} --force")
    printed = machine.sh("apt-get purge --yes dnsfilter 2>&1")
    lines = re.findall(r"^dnsfilter: (rm -r .*)$", printed, re.MULTILINE)
    kept = ("/var/lib/dnsfilter", "/var/lib/private/dnsfilter-backup")
    assert {path for path in files(machine) - before if not path.startswith(kept)} == set()
    machine.sh("\n".join(lines))
    assert files(machine) - before == set()
    assert machine.attempt("getent passwd dnsfilter dnsfilter-api").stdout == ""


def files(machine: BootedMachine) -> set[str]:
    """Return all files of the machine, without those that Debian's own programs keep."""
    found = machine.sh("find / -xdev -not -type d -not -path '/var/log/*' -not -path '/var/cache/*'").splitlines()
    return {path for path in found if not path.startswith(("/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd"))}


def test_recovery_restores_over_the_installation_that_the_package_makes(machine: BootedMachine, tmp_path: Path) -> None:
    with_office(machine)
    identity = Identity.generate()
    (tmp_path / "key.txt").write_text(str(identity))
    machine.put(tmp_path / "key.txt", "key.txt")
    assert machine.sh("systemctl is-active dnsfilter-backup.timer").strip() == "active"
    machine.sh(f"cd /usr/share/doc/dnsfilter\n{blocks(BACKUP, 'Back up each night')[0]}")
    backup = re.sub("age1[a-z0-9]+", str(identity.to_public()), blocks(BACKUP, "Move to another machine")[0])
    machine.sh(f"cd /srv; {backup}cp -a /etc/dnsfilter /var/lib/dnsfilter/api/*-key .")
    machine.sh("apt-get purge --yes dnsfilter; rm -r /var/lib/dnsfilter")
    machine.sh(INSTALL.format(version=FIRST))
    aside, lines, _enrol = blocks(BACKUP, "Restore")
    install = "install -o dnsfilter-api -g dnsfilter-api -m 0600 snapshot-key checkpoint-key /var/lib/dnsfilter/api"
    printed = machine.sh(f"cd /srv; {aside}cp -a dnsfilter /etc\n{lines.replace('dnsfilter-api new-keys', install)}")
    assert "status: NOERROR" in printed
    assert rcode(machine, "www.example.org") == "NOERROR"
    assert eventually(lambda: " current " in machine.sh("dnsfilterctl node list"), every_s=1)
    assert machine.sh("systemctl is-active dnsfilter-backup.timer").strip() == "active"
    machine.sh("rm -f /var/lib/private/dnsfilter-backup/*; systemctl start dnsfilter-backup")
    assert machine.sh("ls /var/lib/private/dnsfilter-backup").endswith(".backup\n")
