"""Modules that a command loads, which determine its start time."""

import subprocess
import sys

import pytest

from tests.unit.api.ctl.conftest import Served

SERVER = {"alembic", "fastapi", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"}
ANSWERS = {"pydantic", "api.http.schemas"}
HTTP = {"http.client", "httpx", "ssl"}
OTHER_TOPICS = {
    "api.ctl.network.reached_nodes",
    "api.ctl.operation.audit",
    "api.ctl.policy.onboarding",
    "api.nodes.schemas",
    "cryptography",
}


def _loaded(*arguments: str) -> tuple[int, set[str]]:
    """Run a command. Return its exit code, and the modules that it has loaded."""
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    program += "from api.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, set(done.stderr.splitlines()[-1].split())


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("arguments", "code", "absent"),
    [
        (["--help"], 0, SERVER | ANSWERS | HTTP | OTHER_TOPICS | {"api.ctl.policy.bans", "shtab"}),
        (["--version"], 0, SERVER | ANSWERS | HTTP | OTHER_TOPICS),
        (["no-such-command"], 2, SERVER | ANSWERS | HTTP | OTHER_TOPICS),
        (["ban", "set", "--help"], 0, SERVER | HTTP | OTHER_TOPICS | {"shtab"}),
        (["ban", "set", "ghent"], 2, SERVER | HTTP | OTHER_TOPICS),
        (["completion", "bash"], 0, SERVER | {"httpx"}),
    ],
)
def test_commands_that_ask_nothing_load_no_client(arguments: list[str], code: int, absent: set[str]) -> None:
    ended, loaded = _loaded(*arguments)
    assert (ended, absent & loaded) == (code, set())
    assert "api.ctl.parser" in loaded


@pytest.mark.heavy
def test_a_toggle_loads_its_own_topic_alone(served: Served) -> None:
    ended, loaded = _loaded("ban", "set", "brussels-city", "tiktok", "--mode", "enforce")
    assert (ended, (SERVER | OTHER_TOPICS | {"httpx"}) & loaded) == (0, set())
    assert "api.ctl.policy.bans" in loaded
