"""Copies of a cache in sealed memory between two workers."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cache.packed import UnusableCopy
from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Config
from dnsfilter.errors import SnapshotError
from dnsfilter.worker.cache_copy import read_copy, write_copy
from dnsfilter.worker.sealed import empty_memory, seal
from dnsfilter.worker.start_config import routes_of
from tests.support.caches import CACHES
from tests.unit.cache.messages import address, key

SERVERS = '[upstream]\nservers = ["192.0.2.1"]\n'
ZONE = '[[zone]]\nsuffix = "corp.example"\nservers = ["192.0.2.3"]\n'
RECORD = '[[record]]\nname = "printer.example.org"\ntype = "A"\ndata = "192.0.2.4"\n'


def config(directory: Path, text: str) -> Config:
    path = directory / "dnsfilter.toml"
    path.write_text(text)
    return load_config(path)


@pytest.mark.parametrize("kind", CACHES)
def test_answers_go_from_one_cache_to_another_through_memory(kind: str, tmp_path: Path) -> None:
    routes = routes_of(config(tmp_path, SERVERS))
    cache, successor = CACHES[kind](1_000_000, 0), CACHES[kind](1_000_000, 0)
    for number in range(3):
        name = f"n{number}.example.org"
        cache.put(key(name), address(name), (), False, 1_000)
    ours = empty_memory("test")
    theirs = os.dup(ours)
    write_copy(ours, cache.pack(100_000, 2_000), routes)
    assert read_copy(theirs, successor, routes, 2_000) == len(successor) == 3
    for closed in (ours, theirs):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(closed)


@pytest.mark.parametrize("kind", CACHES)
def test_memory_that_is_not_sealed_or_no_copy_is_refused(kind: str, tmp_path: Path) -> None:
    routes, cache = routes_of(config(tmp_path, SERVERS)), CACHES[kind](1_000_000, 0)
    open_memory = empty_memory("test")
    os.write(open_memory, b"x" * 100)
    with pytest.raises(SnapshotError, match="not sealed"):
        read_copy(open_memory, cache, routes, 0)
    with pytest.raises(UnusableCopy):
        read_copy(seal("test", b"x" * 100), cache, routes, 0)
    with pytest.raises(SnapshotError):
        read_copy(empty_memory("test"), cache, routes, 0)


@pytest.mark.parametrize(
    "text",
    [
        SERVERS.replace("192.0.2.1", "192.0.2.2"),
        SERVERS + "trust_ad = true\n",
        SERVERS + ZONE,
        SERVERS + RECORD,
    ],
)
def test_another_meaning_of_the_views_has_another_digest(tmp_path: Path, text: str) -> None:
    before = config(tmp_path, SERVERS)
    assert routes_of(before) == routes_of(replace(before, workers=7))
    assert routes_of(config(tmp_path, text)) != routes_of(before)
