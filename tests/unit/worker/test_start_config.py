"""The start settings of a worker are read back unchanged."""

from pathlib import Path

import pytest

from dnsfilter.config.load import default_config, load_config
from dnsfilter.worker.start_config import SetOfSockets, pack_config, unpack_config

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "dnsfilter.toml"
FULL = """
listen = ["192.0.2.53", "[2001:db8::53]:5353"]
metrics_listen = "127.0.0.1:9153"
workers = 3
user = "nobody"
start_without_snapshot = true
[upstream]
servers = ["192.0.2.1", "[2001:db8::1]:53"]
timeout_ms = 400
[cache]
max_bytes = "32 MiB"
serve_stale = "2 days"
prefetch = true
[rebinding]
protect = true
except = ["vpn.example.org"]
[clients]
unregistered = "resolve"
allowed = ["192.0.2.0/24", "2001:db8::/48"]
[limits]
queries_per_second = 7
connection_idle = "30 seconds"
[[limits.override]]
prefix = "198.51.100.0/24"
queries_per_second = 0
[[limits.override]]
prefix = "2001:db8:1::/64"
queries_per_second = 5
[[zone]]
suffix = "corp.example"
servers = ["192.0.2.2"]
[control_plane]
url = "https://192.0.2.9"
token = "token"
ca = "ca.pem"
site = "annex"
"""


LEARNING = """
upstream.servers = ["192.0.2.1"]
clients = { unregistered = "learn", allowed = ["10.0.0.0/8"], learn_until = 2026-03-10 }
"""


@pytest.mark.parametrize("text", [FULL, LEARNING, EXAMPLE.read_text()], ids=["full", "learning", "example"])
def test_configuration_is_read_back_unchanged(tmp_path: Path, text: str) -> None:
    path, sets = tmp_path / "dnsfilter.toml", (SetOfSockets((3, 4), (5,)), SetOfSockets((), (6,)))
    path.write_text(text)
    config = load_config(path)
    assert unpack_config(pack_config(config, sets)) == (config, sets)
    assert repr(unpack_config(pack_config(config, sets))) == repr((config, sets))


def test_default_configuration_is_read_back_unchanged(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 198.51.100.1\n")
    config = default_config(resolv_conf)
    assert repr(unpack_config(pack_config(config, ()))) == repr((config, ()))
