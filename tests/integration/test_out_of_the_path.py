"""The runbook's plan to take dnsfilter out of the path: suspend all, or give another resolver its address."""

import subprocess
from pathlib import Path

import pytest

from tests.support.components import component, end
from tests.support.dig import NoAnswer
from tests.support.documents import blocks
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually, program

HEADING = "Take dnsfilter out of the path in two minutes"
PAGE = "docs/runbook/symptoms.md"
GHENT = "127.0.5.10"
NAME = "www.tiktok.com"


def written(block: str, node: Node, upstream: str, directory: Path) -> Path:
    """Write the page's configuration of Unbound with this node's address, for an upstream on loopback."""
    own = f"    port: {node.port}\n    directory: {directory}\n    username: ''\n    chroot: ''\n    use-syslog: no\n"
    text = block.replace("server:\n", f"server:\n{own}    pidfile: ''\n    do-not-query-localhost: no\n", 1)
    text = text.replace("192.0.2.1\n", "127.0.0.1\n").replace("192.0.2.0/24", "127.0.0.0/8")
    path = directory / "instead.conf"
    path.write_text(text.replace("forward-addr: 192.0.2.53", f"forward-addr: {upstream.replace(':', '@')}"))
    return path


@pytest.mark.heavy
def test_both_ways_of_the_runbook_answer_what_was_refused(tmp_path: Path, authority: Knot) -> None:
    (config,) = blocks(PAGE, HEADING, "yaml")
    suspend, swap = blocks(PAGE, HEADING)
    with Node(tmp_path / "node", authority.hostport) as node:
        assert node.dig(NAME, bind=GHENT).rcode == "REFUSED"
        suspend = suspend.replace("dnsfilter ", f"{program('dnsfilter')} ", 1).strip()
        typed = f"{suspend} --config {node.config} --policy {node.policy}"
        subprocess.run(typed, shell=True, check=True, timeout=60)
        assert eventually(lambda: node.dig(NAME, bind=GHENT).rcode == "NOERROR")
        expected = node.dig(NAME, bind=GHENT).rdata("A")

        assert "systemctl stop dnsfilter && systemctl start unbound" in swap
        node.stop()
        unbound, path = component("unbound"), written(config, node, authority.hostport, tmp_path)
        instead = subprocess.Popen([unbound.path, "-d", "-c", str(path)], env=unbound.env)
        try:
            assert eventually(lambda: _answers(node))
            assert node.dig(NAME, bind=GHENT).rdata("A") == expected
        finally:
            end(instead)


def _answers(node: Node) -> bool:
    try:
        return node.dig(NAME, bind=GHENT).rcode == "NOERROR"
    except NoAnswer:
        return False
