"""A control plane started next to a serving node on the wrong database does not change the node's answers."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.control_planes import Api, Follower
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, eventually, program, status_of

pytestmark = pytest.mark.slow

REFUSED = "127.0.5.10"
"""A client in Ghent's offices."""


def _run(*words: str) -> tuple[int, str]:
    """Run `dnsfilter-api`. Return the exit code and the last line that it printed."""
    command = [program("dnsfilter-api"), *words, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr.strip().rpartition("\n")[2]


def _content(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_control_plane_on_the_wrong_database_changes_no_answer(tmp_path: Path, authority: Knot) -> None:
    with (
        Api(tmp_path / "api", EXAMPLE.read_text()) as api,
        Follower(tmp_path / "node", authority.hostport, api.state / "snapshots") as node,
    ):
        assert api.stop() == 0
        state, other = ("--state-dir", str(api.state)), tmp_path / "other"
        before = _content(api.state)
        wrong = f"sqlite:///{tmp_path}/unmounted/dnsfilter.sqlite3"
        for command in ((), ("new-token",)):
            code, said = _run(*command, *state, "--database", wrong)
            assert (code, "files of an installation do" in said) == (2, True), said
        assert _content(api.state) == before
        # An intact database with matching keys, but of another installation.
        assert _run("init", "--state-dir", str(other))[0] == 0
        for file in other.iterdir():
            shutil.copy(file, api.state)
        code, said = _run(*state)
        assert (code, "does not know revision" in said) == (2, True), said
        assert node.dig("www.tiktok.com", bind=REFUSED).rcode == "REFUSED"
        assert status_of(node.ready_url()) == 200
        # The node's source of snapshots is gone. The node keeps its policy and reports the problem.
        (api.state / "snapshots").rename(tmp_path / "away")
        assert eventually(lambda: status_of(node.ready_url()) == 503)
        assert node.dig("www.tiktok.com", bind=REFUSED).rcode == "REFUSED"
        assert node.logged("snapshots cannot be read", "No such file or directory")
        (tmp_path / "away").rename(api.state / "snapshots")
        assert eventually(lambda: status_of(node.ready_url()) == 200)
