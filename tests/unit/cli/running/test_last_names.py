"""The last names of a node, found by the memory of its supervisor on a machine made of files."""

import time
from pathlib import Path

import pytest

from dnsfilter.cli.running.last_names import LastNames, last_names
from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Config
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.recent_names import FAILED, REFUSED, NameOutcome, RecentName, RecentNames, boot_minute, refresh
from dnsfilter.wire.names import parse_name
from tests.support.doctor_subjects import add_process, add_socket, write

DIRECTORY = "run/dnsfilter/dnsfilter-counters-7-abc"
MAPS = "7f00-7f01 rw-s 00000000 00:1a 99 {path}\n7f02-7f03 rw-s 00001000 00:1a 99 {path}\n7f04-7f05 r-xp 0 00:00 0\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('[upstream]\nservers = ["192.0.2.53"]\n')
    return load_config(path)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a machine on which process 7 serves the status page, with two workers of its own."""
    root = tmp_path / "machine"
    add_socket(root, "tcp", "127.0.0.1", 9153, 40, listens=True)
    add_process(root, 7, "/usr/bin/dnsfilter", "serve", inodes=(40,))
    write(root, "proc/7/maps", "".join(MAPS.format(path=f"/{DIRECTORY}/worker-{number}") for number in (1, 2, 3)))
    for number in (1, 2):
        path = root / "proc/7/root" / DIRECTORY / f"worker-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        block = CounterBlock.create(path, upstreams=0, capacity=24)
        refresh(block.names, boot_minute(time.clock_gettime_ns(time.CLOCK_BOOTTIME)))
        names = RecentNames(block.names)
        names.swap(("ghent",))
        names.note(REFUSED, 0, parse_name("www.tiktok.com"))
        names.note(FAILED, 0, parse_name(f"host{number}.example.org"))
        block.close()
    return root


def test_names_of_all_workers_are_read_once_and_a_worker_that_has_ended_is_skipped(
    config: Config, machine: Path
) -> None:
    found = last_names(config, machine)
    assert sorted(found.rows()) == [
        ("failed (SERVFAIL) ghent", "host1.example.org"),
        ("failed (SERVFAIL) ghent", "host2.example.org"),
        ("monitored", "no name in the last 15 minutes"),
        ("refused ghent", "www.tiktok.com"),
    ]
    assert {"outcome": "refused", "authority": "ghent", "name": "www.tiktok.com"} in found.value()["names"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("path", "text", "error"),
    [
        ("proc/net/tcp", "", "no node listens there"),
        ("proc/7/maps", "", "run this as root"),
        (f"proc/7/root/{DIRECTORY}/worker-1", "other", "not a counter block of version"),
    ],
)
def test_what_cannot_be_read_is_an_error(config: Config, machine: Path, path: str, text: str, error: str) -> None:
    write(machine, path, text)
    with pytest.raises(UnavailableError, match=error):
        last_names(config, machine)


def test_screen_shows_some_names_of_each_outcome() -> None:
    names = [RecentName(outcome, "ghent", bytes(1), seen) for outcome in NameOutcome for seen in range(50, 0, -1)]
    shown = LastNames(names).on_a_screen().names
    assert {outcome: [each.seen for each in shown if each.outcome is outcome] for outcome in NameOutcome} == {
        outcome: list(range(50, 38, -1)) for outcome in NameOutcome
    }
