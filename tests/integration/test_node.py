"""One standalone resolver, as its administrator sees it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.engines import KINDS
from tests.support.forked_programs import run
from tests.support.knot import Knot
from tests.support.namespaces import Namespace
from tests.support.nodes import EXAMPLE, Node, eventually, program, publish_twice


def test_conditional_zone_answers_and_the_rest_of_local_never_goes_upstream(node: Node) -> None:
    found = node.dig("_ldap._tcp.dc._msdcs.corp.local", "SRV")
    assert found.rdata("SRV") == ["0 100 389 dc1.corp.local.", "0 100 389 dc2.corp.local."]
    assert node.dig("intranet.corp.local").rdata("A") == ["192.0.2.201"]
    before = _upstream_queries(node)
    assert node.dig("x.local").rcode == "NXDOMAIN"
    assert node.dig("x.local", "SRV").rcode == "NXDOMAIN"
    assert node.dig("x.local", extra=["-c", "HS"]).rcode == "REFUSED"
    assert _upstream_queries(node) == before


def test_a_check_next_to_the_running_node_finds_nothing(node: Node) -> None:
    done = run(["dnsfilter", "check", "--config", str(node.config), "--policy", str(node.policy)])
    assert (done.returncode, done.stderr) == (0, "")
    assert node.dig("plain.example.org").rcode == "NOERROR"


def _upstream_queries(node: Node) -> float:
    samples = node.metrics().items()
    return sum(value for name, value in samples if name.startswith("dnsfilter_upstream_queries_total"))


def test_killed_worker_is_replaced_and_no_counter_falls(tmp_path: Path, authority: Knot) -> None:
    refused = 'dnsfilter_refused_total{authority="ghent",service="tiktok"}'
    with Node(tmp_path, authority.hostport) as node:
        node.dig("www.tiktok.com", bind="127.0.5.10")
        assert node.metrics()[refused] == 1
        first = node.worker_pid()
        os.kill(first, signal.SIGKILL)
        assert node.dig("www.tiktok.com", bind="127.0.5.10", extra=["+tries=5"]).rcode == "REFUSED"
        assert node.worker_pid() != first
        counted = node.metrics()
        assert counted[refused] == 2
        # The standby answers at once. The supervisor notices the loss of the worker shortly afterwards.
        assert eventually(lambda: node.metrics()["dnsfilter_worker_restarts_total"] == 1)


def test_processes_hold_no_capability_that_they_do_not_need(node: Node) -> None:
    assert node.process is not None
    assert _capabilities(node.worker_pid()) == 0
    assert _capabilities(node.process.pid) & ~(1 << 10) == 0


def _capabilities(pid: int) -> int:
    fields = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    return int(fields["CapEff"], 16) | int(fields["CapPrm"], 16)


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_that_the_environment_names_runs_and_is_reported(
    tmp_path: Path, authority: Knot, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", kind)
    with Node(tmp_path, authority.hostport) as node:
        assert node.dig("plain.example.org").rcode == "NOERROR"
        (reported,) = (name for name in node.metrics() if name.startswith("dnsfilter_build_info"))
        assert f'engine="{kind}"' in reported
        assert f"engine={kind}" in node.log.read_text()


@pytest.mark.slow
def test_lost_kept_dates_are_resolved_again(tmp_path: Path, authority: Knot) -> None:
    policy = EXAMPLE.read_text()
    node = Node(tmp_path, authority.hostport, policy=policy)
    with node:
        pass
    node.policy.write_text(policy + "# another reading\n")
    with node:
        assert node.metrics()["dnsfilter_snapshot_revision"] == 2
    (node.state / "policy-resolved.toml").unlink()
    with node:
        assert node.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"


def test_one_flipped_bit_of_what_all_revisions_share_costs_no_start(tmp_path: Path, authority: Knot) -> None:
    node = Node(tmp_path, authority.hostport, policy=None)
    store = publish_twice(node)
    for suffix in ("names", "ranges"):
        for path in store.directory.glob(f"*.{suffix}"):
            path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with node:
        assert node.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"
        assert node.metrics()["dnsfilter_snapshot_revision"] == 2
        assert node.logged("second copy in use", ".names", ".ranges")
        listed = run(["dnsfilter", "snapshot", "list", "--config", str(node.config)]).stdout
        assert "damaged: second copy in use" in listed.splitlines()[0]


def test_a_port_in_use_is_one_line_that_says_what_to_do(node: Node, tmp_path: Path) -> None:
    other = Node(tmp_path, "127.0.0.1:9")
    other.config.write_text(other.config.read_text().replace(f":{other.port}", f":{node.port}", 1))
    ended = subprocess.run(other.command(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{node.port}" in ended.stderr
    assert "choose another" in ended.stderr


def test_a_default_address_of_a_family_that_is_not_here_is_left_out_and_a_configured_one_is_an_error(
    tmp_path: Path,
) -> None:
    plain, named = tmp_path / "plain.toml", tmp_path / "named.toml"
    plain.write_text('state_dir = "state"\n[upstream]\nservers = ["127.0.0.2"]\n')
    named.write_text('listen = ["127.0.0.1", "::1"]\n' + plain.read_text())
    with Namespace() as space:
        space.ip("address", "del", "::1/128", "dev", "lo")
        command = (program("dnsfilter"), "serve", "--policy", str(EXAMPLE), "--config")
        checks = (command[0], "check", *command[2:])
        assert "left out: [::1]:53" in space.run(*checks, str(plain)).stdout
        log = tmp_path / "log"
        with log.open("wb") as output:
            node = subprocess.Popen(space.command(*command, str(plain)), stderr=output)
        try:
            assert eventually(lambda: space.status_of("127.0.0.1:9153") == 200), log.read_text()
        finally:
            node.terminate()
            node.wait()
        assert "left out, no such family here" in log.read_text()
        for words, code in ((checks, 2), (command, 1)):
            ended = space.run(*words, str(named))
            assert ended.returncode == code
            assert "listen on [::1]:53" in ended.stderr
            assert "Traceback" not in ended.stderr


def test_without_a_snapshot_it_does_not_start(tmp_path: Path) -> None:
    node = Node(tmp_path, "127.0.0.1:9")
    command = [program("dnsfilter"), "serve", "--config", str(node.config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "no usable snapshot" in ended.stderr


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_check_prints_every_problem_with_its_location(tmp_path: Path, extra: list[str]) -> None:
    config = tmp_path / "dnsfilter.toml"
    config.write_text(
        'listen = ["127.0.0.1:5300"]\nlisten_to = 1\n[upstream]\nservers = ["127.0.0.1:5300", "nowhere"]\n'
    )
    ended = run(["dnsfilter", "check", "--config", str(config), "--policy", str(EXAMPLE), *extra])
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2
    for part in ("listen_to", "servers[0]", "servers[1]", str(config)):
        assert part in said
