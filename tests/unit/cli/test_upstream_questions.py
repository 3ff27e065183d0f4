"""`dnsfilter check` finds servers that do not recurse; silent ones are no problem of the configuration."""

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import dns.rcode

from dnsfilter.cli.upstream_questions import UpstreamQuestion, answer_fault, upstream_faults
from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import ROOT
from tests.support.answering_server import server
from tests.support.nodes import program
from tests.support.ports import free_port


def written(place: Path, *servers: int, zone: int | None = None) -> Config:
    """Return the configuration with upstreams on these ports of loopback, and a zone's server on another."""
    path = place / "dnsfilter.toml"
    upstreams = ", ".join(f'"127.0.0.1:{port}"' for port in servers)
    lines = ['listen = ["127.0.0.1:5300"]', 'state_dir = "state"', "[upstream]", f"servers = [{upstreams}]"]
    if zone is not None:
        lines += ["[[zone]]", 'suffix = "corp.example.org"', f'servers = ["127.0.0.1:{zone}"]']
    path.write_text("\n".join(lines))
    return load_config(path)


def test_servers_that_do_not_recurse_are_found(tmp_path: Path) -> None:
    with server() as good, server(recurses=False) as limited, server(recurses=False) as of_zone:
        found = upstream_faults(written(tmp_path, good.port, limited.port, zone=of_zone.port))
    advice = "enable recursion there for this machine, or remove the server from the configuration"
    assert found == [
        f"127.0.0.1:{limited.port} answers . NS without recursion: {advice}",
        f"127.0.0.1:{of_zone.port} answers corp.example.org SOA without recursion: {advice}",
    ]


def test_a_server_that_is_absent_or_refuses_is_no_problem_of_the_configuration(tmp_path: Path) -> None:
    with server(dns.rcode.REFUSED, recurses=False) as refusing:
        assert upstream_faults(written(tmp_path, refusing.port, free_port())) == []


def test_server_that_demands_cookies_over_udp_is_no_fault_where_they_are_sent() -> None:
    def demanding(asked: bytes) -> bytes:
        return asked[:2] + b"\x83\x85" + asked[4:]  # REFUSED, with TC

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, ThreadPoolExecutor() as pool:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        at = Endpoint(ip_address("127.0.0.1"), sock.getsockname()[1])
        for cookies in (True, False):
            found = pool.submit(answer_fault, UpstreamQuestion(at, ROOT, Type.NS, None, cookies))
            asked, peer = sock.recvfrom(512)
            sock.sendto(demanding(asked), peer)
            assert (found.result() is None) is cookies


def test_check_prints_no_log_line_of_a_silent_encrypted_server(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    silent = f'[upstream]\nservers = ["tls://127.0.0.1:{free_port()}#dns.example.org"]\n'
    path.write_text(f'listen = ["127.0.0.1:{free_port()}"]\nstate_dir = "state"\n{silent}')
    command = [program("dnsfilter"), "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
