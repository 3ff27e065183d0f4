"""`dnsfilter serve` reads the one-time token while it still can."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_POWER = """
import sys
from pathlib import Path
from dnsfilter.cli.serve import _one_time_token
from dnsfilter.config.load import load_config
from dnsfilter.worker.privileges import keep_only
keep_only()
print(_one_time_token(load_config(Path(sys.argv[1]))))
"""


@pytest.mark.parametrize(("mode", "found"), [(0o700, "one-time-token-of-a-node"), (0o000, "None")])
def test_a_node_directory_that_root_may_not_enter_is_left_to_the_nodes_user(
    tmp_path: Path, mode: int, found: str
) -> None:
    # In a container root has no CAP_DAC_OVERRIDE, and the directory belongs to the node's user.
    (tmp_path / "node").mkdir()
    (tmp_path / "node").chmod(mode)
    (tmp_path / "token").write_text("one-time-token-of-a-node\n")
    (tmp_path / "dnsfilter.toml").write_text(
        f'state_dir = "{tmp_path}"\n[upstream]\nservers = ["192.0.2.1"]\n'
        '[control_plane]\nurl = "http://127.0.0.1:8080"\ntoken = "token"\n'
    )
    command = [sys.executable, "-c", WITHOUT_POWER, str(tmp_path / "dnsfilter.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    (tmp_path / "node").chmod(0o700)
    assert (done.stdout.strip(), done.returncode) == (found, 0), done.stderr
