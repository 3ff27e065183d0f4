"""The node's configuration: defaults, values, and all problems with their locations."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.config.load import default_config, load_config
from dnsfilter.config.node_config import (
    Cache,
    Clients,
    Config,
    ControlPlane,
    Endpoint,
    Limits,
    LocalRecord,
    Rate,
    Rebinding,
    Unregistered,
    Upstream,
    Zone,
)
from dnsfilter.errors import ConfigError
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name

KEY = 8 * "3d4017c3"
BOTH = (parse_endpoint("127.0.0.1:53"), parse_endpoint("[::1]:53"))


def load(tmp_path: Path, text: str, resolv_conf: str = "nameserver 192.0.2.1\n") -> Config:
    path, resolv = tmp_path / "dnsfilter.toml", tmp_path / "resolv.conf"
    path.write_text(text)
    resolv.write_text(resolv_conf)
    return load_config(path, resolv)


def problems(tmp_path: Path, text: str, resolv_conf: str = "nameserver 192.0.2.1\n") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, resolv_conf)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("families", "listen", "left_out"),
    [((4, 6), BOTH, ()), ((4,), BOTH[:1], BOTH[1:]), ((6,), BOTH[1:], BOTH[:1]), ((), BOTH, ())],
)
def test_default_addresses_of_a_missing_family_are_left_out_but_not_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    families: tuple[int, ...],
    listen: tuple[Endpoint, ...],
    left_out: tuple[Endpoint, ...],
) -> None:
    monkeypatch.setattr("dnsfilter.config.load.has_family", lambda address: address.version in families)
    config = load(tmp_path, "")
    assert (config.listen, config.left_out) == (listen, left_out)


def test_an_empty_file_is_a_loopback_resolver_that_asks_the_machines_nameservers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnsfilter.config.load.has_family", lambda _address: True)
    assert load(tmp_path, "") == Config(
        listen=BOTH,
        metrics_listen=parse_endpoint("127.0.0.1:9153"),
        state_dir=Path("/var/lib/dnsfilter"),
        workers=len(os.sched_getaffinity(0)),
        upstream=Upstream((parse_endpoint("192.0.2.1:53"),), trust_ad=False, timeout_ms=800),
        cache=Cache(max_bytes=64 * 1024 * 1024, serve_stale_s=86_400),
        clients=Clients(Unregistered.REFUSE),
        limits=Limits(),
        zones=(),
        records=(),
        control_plane=ControlPlane(),
        start_without_snapshot=False,
        default_listen=True,
    )


def test_default_configuration_is_that_of_an_empty_file(tmp_path: Path) -> None:
    expected = load(tmp_path, "")
    assert default_config(tmp_path / "resolv.conf") == expected
    with pytest.raises(ConfigError, match="cannot be read"):
        default_config(tmp_path / "none.conf")


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
        listen = ["192.0.2.53", "[2001:db8::53]:5353"]
        metrics_listen = "192.0.2.53:9999"
        state_dir = "state"
        workers = 1
        start_without_snapshot = true
        [upstream]
        servers = ["198.51.100.1", "198.51.100.1:5353", "2001:db8::1"]
        trust_ad = true
        timeout_ms = 500
        [cache]
        max_bytes = "1 GiB"
        serve_stale = 0
        prefetch = true
        [rebinding]
        protect = true
        except = ["VPN.example.org"]
        [clients]
        unregistered = "resolve"
        allowed = ["192.0.2.0/24", "2001:db8::/32"]
        trusted_proxies = ["192.0.2.100", "2001:db8:53::/64"]
        trusted_forwarders = ["192.0.2.70"]
        [limits]
        queries_per_second = 500
        burst = 600
        unregistered_per_second = 5
        slip = 3
        waiting = 2000
        waiting_per_client = 100
        connections = 200
        connections_per_client = 20
        connection_queries = 8
        connection_idle = "1 minute"
        [[limits.override]]
        prefix = "192.0.2.53"
        queries_per_second = 0
        [[limits.override]]
        prefix = "2001:db8::/56"
        queries_per_second = 10
        burst = 50
        [[zone]]
        suffix = "Corp.Example."
        servers = ["192.0.2.10"]
        [[record]]
        name = "Printer.corp.internal"
        type = "A"
        data = "192.0.2.20"
        [[record]]
        name = "note.corp.internal"
        type = "TXT"
        data = "hi"
        ttl = 60
        [control_plane]
        url = "https://api.example.org/"
        token = "secrets/token"
        site = "annex"
        ca = "ca.pem"
        key = "3d4017c33d4017c33d4017c33d4017c33d4017c33d4017c33d4017c33d4017c3"
    """
    assert load(tmp_path, text) == Config(
        listen=(parse_endpoint("192.0.2.53:53"), parse_endpoint("[2001:db8::53]:5353")),
        metrics_listen=parse_endpoint("192.0.2.53:9999"),
        state_dir=tmp_path / "state",
        workers=1,
        upstream=Upstream(
            (
                parse_endpoint("198.51.100.1:53"),
                parse_endpoint("198.51.100.1:5353"),
                parse_endpoint("[2001:db8::1]:53"),
            ),
            trust_ad=True,
            timeout_ms=500,
        ),
        cache=Cache(max_bytes=1 << 30, serve_stale_s=0, prefetch=True),
        clients=Clients(
            Unregistered.RESOLVE,
            (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
            trusted_proxies=(ip_network("192.0.2.100"), ip_network("2001:db8:53::/64")),
            trusted_forwarders=(ip_network("192.0.2.70"),),
        ),
        limits=Limits(
            clients=Rate(500, 600),
            overrides=((ip_network("192.0.2.53/32"), Rate(0, 0)), (ip_network("2001:db8::/56"), Rate(10, 50))),
            unregistered=Rate(5, 10),
            slip=3,
            waiting=2000,
            waiting_per_client=100,
            connections=200,
            connections_per_client=20,
            connection_queries=8,
            connection_idle_s=60,
        ),
        zones=(Zone(parse_name("corp.example"), (parse_endpoint("192.0.2.10:53"),)),),
        records=(
            LocalRecord(parse_name("printer.corp.internal"), Type.A, 300, bytes((192, 0, 2, 20))),
            LocalRecord(parse_name("note.corp.internal"), Type.TXT, 60, b"\x02hi"),
        ),
        control_plane=ControlPlane(
            "https://api.example.org", tmp_path / "secrets/token", "annex", tmp_path / "ca.pem", KEY
        ),
        start_without_snapshot=True,
        rebinding=Rebinding(True, (parse_name("vpn.example.org"),)),
    )


@pytest.mark.parametrize(
    ("servers", "trusted"),
    [
        ('["127.0.0.1:5300", "[::1]:5300"]', True),
        ('["192.0.2.1"]', False),
        ('["127.0.0.1:5300", "192.0.2.1"]', False),
    ],
)
def test_ad_is_trusted_by_default_only_from_this_machine(tmp_path: Path, servers: str, trusted: bool) -> None:
    assert load(tmp_path, f"[upstream]\nservers = {servers}\n").upstream.trust_ad is trusted


def test_the_word_resolv_conf_means_the_machines_nameservers(tmp_path: Path) -> None:
    config = load(tmp_path, '[upstream]\nservers = "resolv.conf"\n', "nameserver 198.51.100.7\n")
    assert config.upstream.servers == (parse_endpoint("198.51.100.7:53"),)


@pytest.mark.parametrize(("written", "seconds"), [('"1 day"', 86_400), ("3600", 3600), ('"90 min"', 5400), ("0", 0)])
def test_serve_stale_is_a_duration(tmp_path: Path, written: str, seconds: int) -> None:
    assert load(tmp_path, f"[cache]\nserve_stale = {written}\n").cache.serve_stale_s == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listn = []", "dnsfilter.toml listn: is not a known key: did you mean 'listen'?"),
        ("[upstream]\nhost = 1", "dnsfilter.toml upstream.host: is not a known key: known keys are servers, trust_ad,"),
        ("listen = []", "dnsfilter.toml listen: "),
        ('listen = "127.0.0.1:53"', "dnsfilter.toml listen: must be a list"),
        ('listen = ["127.0.0.1:53",\n"127.0.0.1"]', "dnsfilter.toml listen[1]: 127.0.0.1:53 is given twice"),
        ('listen = ["127.0.0.1:99999"]', "dnsfilter.toml listen[0]: '99999' in '127.0.0.1:99999' is not a port"),
        ('listen = ["224.0.0.1"]', "dnsfilter.toml listen[0]: 224.0.0.1:53 is a multicast address"),
        ('metrics_listen = "127.0.0.1:53"', "dnsfilter.toml metrics_listen: 127.0.0.1:53 is used by listen"),
        ("metrics_listen = 9153", "dnsfilter.toml metrics_listen: must be a string"),
        ("workers = 0", "dnsfilter.toml workers: must be greater than or equal to 1"),
        ("workers = 257", "dnsfilter.toml workers: must be less than or equal to 256"),
        ("workers = true", "dnsfilter.toml workers: must be an integer"),
        ('start_without_snapshot = "no"', "dnsfilter.toml start_without_snapshot: must be a boolean"),
        ("upstream = 1", "dnsfilter.toml upstream: must be a table"),
        ("[upstream]\nservers = []", "dnsfilter.toml upstream.servers: "),
        ('[upstream]\nservers = ["127.0.0.1"]', "dnsfilter.toml upstream.servers[0]: 127.0.0.1:53 is an address"),
        ('[upstream]\nservers = ["192.0.2.1",\n"x"]', "dnsfilter.toml upstream.servers[1]: 'x' is not an IP address"),
        ('[upstream]\nservers = ["192.0.2.1", "192.0.2.1:53"]', "upstream.servers[1]: 192.0.2.1:53 is given twice"),
        ('[upstream]\nservers = ["0.0.0.0"]', "upstream.servers[0]: '0.0.0.0' is a wildcard"),
        ('[upstream]\nservers = ["fe80::1"]', "upstream.servers[0]: 'fe80::1' is link-local"),
        ("[upstream]\ntimeout_ms = 1", "dnsfilter.toml upstream.timeout_ms: must be greater than or equal to 50"),
        ('[cache]\nmax_bytes = "64 MB"', "dnsfilter.toml cache.max_bytes: must be a number of bytes"),
        ("[cache]\nmax_bytes = 5", "dnsfilter.toml cache.max_bytes: must be between 1 MiB and 64 GiB"),
        ('[cache]\nserve_stale = "a while"', "cache.serve_stale: must be a number of seconds"),
        ('[cache]\nserve_stale = "8 days"', "cache.serve_stale: must be between 0 (off) and 7 days"),
        ('[clients]\nunregistered = "open"', "clients.unregistered: 'open' is not one of refuse, resolve"),
        ('[clients]\nunregistered = "resolve"', "clients.allowed: is required with unregistered"),
        ('[clients]\nallowed = ["192.0.2.0/24"]', "clients.allowed: has an effect only with"),
        ('[clients]\nunregistered = "resolve"\nallowed = ["::/0"]', "clients.allowed[0]: ::/0 is everybody"),
        ('[clients]\nunregistered = "resolve"\nallowed = ["fe80::/10"]', "clients.allowed[0]: 'fe80::/10' is"),
        ('[clients]\ntrusted_proxies = ["0.0.0.0/0"]', "clients.trusted_proxies[0]: 0.0.0.0/0 is everybody, who could"),
        ('[rebinding]\nexcept = ["example.org"]', "rebinding.except: has an effect only with rebinding.protect = true"),
        (
            '[rebinding]\nprotect = true\nexcept = ["example.org", "."]',
            "rebinding.except[1]: the root is every name: write protect = false instead",
        ),
        (
            '[clients]\ntrusted_forwarders = ["::/0"]',
            "clients.trusted_forwarders[0]: ::/0 is everybody, who could then",
        ),
        ('[clients]\ntrusted_proxies = ["::1", "::1"]', "clients.trusted_proxies[1]: ::1/128 is given twice"),
        ("[limits]\nqueries_per_second = -1", "limits.queries_per_second: must be greater than or equal to 0"),
        ("[limits]\nburst = 9", "limits.burst: must be at least a hundredth of queries_per_second"),
        ("[limits]\nqueries_per_second = 0\nburst = 9", "limits.burst: has an effect only with a rate"),
        ("[limits]\nslip = 11", "limits.slip: must be less than or equal to 10"),
        ("[limits]\nwaiting = 511", "limits.waiting_per_client: is more than waiting"),
        ("[limits]\nconnections = 49", "limits.connections_per_client: is more than connections"),
        ("[limits]\nconnection_queries = 33", "limits.connection_queries: must be less than or equal to 32"),
        ("[limits]\nconnection_idle = 0", "limits.connection_idle: must be between 1 second and 1 hour"),
        ('[[limits.override]]\nprefix = "192.0.2.1"', "limits.override[0].queries_per_second (192.0.2.1): is missing"),
        (
            '[[limits.override]]\nprefix = "2001:db8::1"\nqueries_per_second = 0',
            "limits.override[0].prefix: 2001:db8::1/128 is smaller than one client, which is a /64 for IPv6: write",
        ),
        (
            '[[limits.override]]\nprefix = "192.0.2.1"\nqueries_per_second = 1\n' * 2,
            "limits.override[1].prefix: 192.0.2.1/32 is given twice",
        ),
        ('[[zone]]\nsuffix = "corp.local"', "dnsfilter.toml zone[0].servers (corp.local): is missing"),
        ('[[zone]]\nsuffix = "a..b"\nservers = ["192.0.2.1"]', "dnsfilter.toml zone[0].suffix: parse name: 'a..b'"),
        ('[[zone]]\nsuffix = "."\nservers = ["192.0.2.1"]', "zone[0].suffix: the root is every name"),
        ('[[zone]]\nsuffix = "onion"\nservers = ["192.0.2.1"]', "zone[0].suffix: onion"),
        ('[[zone]]\nsuffix = "_dns.resolver.ARPA"\nservers = ["192.0.2.1"]', "zone[0].suffix: _dns.resolver.arpa"),
        (
            '[[zone]]\nsuffix = "corp.local"\nservers = ["127.0.0.1"]',
            "zone[0].servers[0] (corp.local): 127.0.0.1:53 is an address",
        ),
        ('[control_plane]\nurl = "ftp://example.org"', "control_plane.url: is not an http or https address"),
        ('[control_plane]\nurl = "http://u:p@example.org"', "control_plane.url: must not contain a user"),
        ('[control_plane]\ntoken = "token"', "control_plane.token: has no effect without control_plane.url"),
        (f'[control_plane]\nkey = "{KEY}"', "control_plane.key: has no effect without control_plane.url"),
        ('[control_plane]\nurl = "http://127.0.0.1"\nkey = "3d40"', "control_plane.key: must be the 64 hexadecimal"),
        ('[control_plane]\nca = "ca.pem"', "control_plane.ca: has no effect without control_plane.url"),
        ('[control_plane]\nurl = "http://127.0.0.1"\nca = "ca.pem"', "control_plane.ca: has an effect only"),
    ],
)
def test_one_mistake_is_one_problem_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert expected in problem


def test_token_given_instead_of_its_path_is_not_repeated(tmp_path: Path) -> None:
    token = "dnf_0123456789abcdef0123456789abcdef"
    (problem,) = problems(tmp_path, f'[control_plane]\nurl = "http://127.0.0.1:8080"\ntoken = "{token}"\n')
    assert "the path of a file that holds the token" in problem
    assert token not in problem


@pytest.mark.parametrize(
    ("listen", "server"),
    [("0.0.0.0:53", "127.0.0.1"), ("0.0.0.0:53", "127.9.9.9"), ("[::]:53", "::1"), ("127.0.0.1:5", "127.0.0.1:5")],
)
def test_a_server_that_is_this_resolver_is_found_behind_wildcards_too(tmp_path: Path, listen: str, server: str) -> None:
    (problem,) = problems(tmp_path, f'listen = ["{listen}"]\n[upstream]\nservers = ["{server}"]\n')
    assert "upstream.servers[0]" in problem
    assert "would ask itself" in problem


@pytest.mark.parametrize(
    ("listen", "server"), [("0.0.0.0:5300", "127.0.0.1"), ("[::]:53", "127.0.0.1"), ("127.0.0.1:53", "127.0.0.2")]
)
def test_another_port_family_or_loopback_address_is_another_server(tmp_path: Path, listen: str, server: str) -> None:
    config = load(tmp_path, f'listen = ["{listen}"]\n[upstream]\nservers = ["{server}"]\n')
    assert config.upstream.servers == (parse_endpoint(server),)


def test_nameserver_that_is_this_resolver_is_a_problem_with_a_solution(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "", "nameserver 127.0.0.1\n")
    assert problem.startswith("dnsfilter.toml upstream.servers: 127.0.0.1:53 in ")
    assert f"{tmp_path}/resolv.conf is an address that this resolver listens on" in problem
    assert problem.endswith("set [upstream] servers to the servers to ask")


def test_all_problems_are_reported_in_file_order(tmp_path: Path) -> None:
    text = """\
listen = ["127.0.0.1:53", "nonsense", "127.0.0.1:53"]
workers = 300
[upstream]
servers = ["127.0.0.1"]
[[zone]]
suffix = "corp.example"
[[zone]]
suffix = "corp.example"
servers = ["192.0.2.1", 5, "127.0.0.1:53"]
[[zone]]
suffix = "corp.example"
servers = ["192.0.2.1"]
colour = "blue"
"""
    locations = [problem.split(": ")[0] for problem in problems(tmp_path, text, "")]
    assert locations == [
        "dnsfilter.toml listen[1]",
        "dnsfilter.toml listen[2]",
        "dnsfilter.toml workers",
        "dnsfilter.toml upstream.servers[0]",
        "dnsfilter.toml zone[0].servers (corp.example)",
        "dnsfilter.toml zone[1].servers[1] (corp.example)",
        "dnsfilter.toml zone[1].servers[2] (corp.example)",
        "dnsfilter.toml zone[2].suffix",
        "dnsfilter.toml zone[2].colour (corp.example)",
    ]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# ok\n# \xe9\n")
    for path in (tmp_path / "none.toml", tmp_path, latin):
        with pytest.raises(ConfigError, match=r"cannot be read: |latin\.toml:2: is not UTF-8"):
            load_config(path)


def test_node_config_needs_no_pydantic() -> None:
    code = "import sys, dnsfilter.config.node_config, dnsfilter.config.endpoint; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
