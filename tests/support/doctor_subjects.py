"""A node and its machine as `dnsfilter doctor` sees them: real stores and servers, files of the machine in a folder."""

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rdatatype

from dnsfilter.cli.doctor.findings import Outcome, Subject
from dnsfilter.cli.running.known_config import KnownConfig
from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Clients, Config, Endpoint
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry.scraped import Sample, Samples
from dnsfilter.wire.checker import Answer, check_message
from tests.support.policies import NOW, network, policy

LISTEN = "192.0.2.1"


def subject(directory: Path, more: str = "", *, listen: str = LISTEN, published: Policy | None = None) -> Subject:
    """Return a subject whose node runs with revision 1 in force. `more` is configuration after the addresses."""
    path = directory / "dnsfilter.toml"
    path.write_text(f'listen = ["{listen}"]\nstate_dir = "state"\n{more}\n[upstream]\nservers = ["192.0.2.53"]\n')
    store = SnapshotStore(directory / "state/snapshots")
    store.publish(compile_policy(published or policy(network("192.0.2.0/24", "ghent")), NOW))
    root = directory / "machine"
    root.mkdir(exist_ok=True)
    config = load_config(path)
    known = KnownConfig(path, config, config, (), "no node runs with this file")
    return Subject(config, store, page(dnsfilter_snapshot_revision=1), None, known, NOW, f"--config {path}", root=root)


def page(**values: float) -> Samples:
    """Return the page of a node with these samples."""
    return Samples(tuple(Sample(name, {}, value) for name, value in values.items()))


def write(root: Path, path: str, text: str | bytes) -> None:
    """Write a file of the machine."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def texts(outcome: Outcome) -> list[str]:
    """Return what was found. Every finding has advice."""
    assert all(each.advice for each in outcome.findings)
    return [each.text for each in outcome.findings]


def add_socket(root: Path, table: str, address: str, port: int, inode: int, *, listens: bool = False) -> None:
    """Add a line to a table of sockets of the machine, as the kernel writes it."""
    packed = ip_address(address).packed
    words = struct.unpack(f">{len(packed) // 4}I", packed)
    swapped = "".join(struct.pack("<I", word).hex().upper() for word in words)
    state = "0A" if listens else "07"
    path = root / "proc/net" / table
    before = path.read_text() if path.exists() else "  sl  local_address\n"
    line = f"   0: {swapped}:{port:04X} 00000000:0000 {state} 0:0 0:0 0 997 0 {inode} 2\n"
    write(root, f"proc/net/{table}", before + line)


def add_process(
    root: Path, pid: int, *command: str, inodes: tuple[int, ...] = (), uid: int = 997, mask: int = 0, unit: str = ""
) -> None:
    """Add a process of the machine, or replace it."""
    write(root, f"proc/{pid}/cmdline", "\0".join(command) + "\0")
    name = Path(command[0]).name
    write(root, f"proc/{pid}/status", f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{mask:016x}\n")
    write(root, f"proc/{pid}/cgroup", f"0::/system.slice/{unit}\n")
    links = root / f"proc/{pid}/fd"
    links.mkdir(exist_ok=True)
    for number, inode in enumerate(inodes):
        (links / str(number)).unlink(missing_ok=True)
        (links / str(number)).symlink_to(f"socket:[{inode}]")


SUPERVISOR = ("python3", "/usr/bin/dnsfilter", "serve", "--config", "/etc/dnsfilter/dnsfilter.toml")
WORKER = ("dnsfilter", "worker", "", "")
BIND = 1 << 10


def add_node(root: Path, *, supervisor_mask: int = BIND, worker_mask: int = 0, uid: int = 997) -> None:
    """Add a running node of `subject`: its sockets, supervisor and worker."""
    add_socket(root, "udp", LISTEN, 53, 101)
    add_socket(root, "tcp", LISTEN, 53, 102, listens=True)
    add_socket(root, "tcp", "127.0.0.1", 9153, 103, listens=True)
    add_process(root, 11, *SUPERVISOR, inodes=(101, 102, 103), mask=supervisor_mask, uid=uid)
    add_process(root, 12, *WORKER, inodes=(101, 102), mask=worker_mask, uid=uid)


def with_servers(config: Config, *servers: Endpoint) -> Config:
    """Return the configuration with these upstreams."""
    return replace(config, upstream=replace(config.upstream, servers=servers))


def counted(**clients: int) -> Counter[bytes]:
    """Return counts by packed address, for addresses written with underscores."""
    return Counter({ip_address(name.lstrip("a").replace("_", ".")).packed: sent for name, sent in clients.items()})


def answers(rcode: str, *records: str) -> Callable[..., Answer]:
    """Return a way to ask a node that answers so."""

    def ask(server: Endpoint, name: bytes, qtype: int, *, clients: Clients | None = None) -> Answer:
        asked = dns.message.make_query("control.example.org", dns.rdatatype.RdataType(qtype))
        made = dns.message.from_text(
            "\n".join(
                ["id 1", f"rcode {rcode}", "flags QR RD RA", ";QUESTION", str(asked.question[0]), ";ANSWER", *records]
            )
        )
        return check_message(made.to_wire())

    return ask
