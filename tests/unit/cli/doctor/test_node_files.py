"""`dnsfilter check` as the user that the node runs as: it reports every problem at once and leaves no file."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.config.endpoint import parse_endpoint
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.sockets import open_listening
from tests.support.forked_programs import run
from tests.support.policies import policy
from tests.support.ports import free_port

pytestmark = pytest.mark.heavy

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = "nobody"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter."""
    made = Path(tempfile.mkdtemp(prefix="checkup-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def configured(place: Path, listen: str, metrics: str, more: str = "", user: str | None = None) -> Path:
    path = place / "dnsfilter.toml"
    named = f'user = "{user}"\n' if user is not None else ""
    own = f'listen = ["{listen}"]\nmetrics_listen = "{metrics}"\nstate_dir = "state"\n{named}'
    path.write_text(f'{own}[upstream]\nservers = ["192.0.2.53"]\n{more}')
    return path


def check(config: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the result, without the problem of an interpreter that other users may not run."""
    command = ["dnsfilter", "check", "--config", str(config), *more, "--json"]
    done = run(command)
    said = json.loads(done.stdout)
    said["problems"] = [problem for problem in said["problems"] if "it may not run" not in problem]
    return done.returncode, said


def free() -> tuple[str, str]:
    return f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"


def unreadable(path: Path) -> str:
    group = pwd.getpwnam(NOBODY).pw_gid
    return f"{path}: user nobody may not read it: type chgrp {group} {path} && chmod g+rX {path}"


def contents(place: Path) -> dict[str, tuple[int, int, int]]:
    """Return every file and directory with its mode, owner and time of change."""
    found = {}
    for path in (place, *place.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns)
    return found


@root_only
def test_every_inaccessible_file_and_directory_is_named_at_once(place: Path) -> None:
    listen, metrics = free()
    state = place / "state"
    store = SnapshotStore(state / "snapshots")
    store.publish(compile_policy(policy(), 1_700_000_000))
    for path in (state, store.directory):
        path.chmod(0o755)
    manifest = next(store.directory.glob("*.manifest"))
    for path in store.directory.glob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for path in (store.directory / "copy").glob("*"):
        path.chmod(0o644)
    manifest.chmod(0o600)
    (state / "node").mkdir(mode=0o700)
    config = configured(place, listen, metrics, user=NOBODY)
    config.chmod(0o600)
    before = contents(place)
    code, said = check(config)
    assert (code, said["user"]) == (2, NOBODY)
    assert said["problems"] == [
        unreadable(config),
        unreadable(manifest),
        f"{state}/node: user nobody cannot write to it: type chown nobody {state}/node",
    ]
    assert contents(place) == before
    config.chmod(0o644)
    manifest.chmod(0o644)
    os.chown(state / "node", pwd.getpwnam(NOBODY).pw_uid, -1)
    assert check(config)[1]["problems"] == []


@root_only
def test_advice_opens_the_outermost_closed_directory(place: Path) -> None:
    (state := place / "state").mkdir(mode=0o700)
    config = configured(place, *free(), user=NOBODY)
    opening = f"type chgrp {pwd.getpwnam(NOBODY).pw_gid} {state} && chmod g+rX {state}"
    assert check(config)[1]["problems"] == [
        f"{state}/snapshots: user nobody may not read it: {opening}",
        f"{state}/node: user nobody cannot reach it: {opening}",
    ]


@root_only
def test_files_of_policy_and_control_plane_are_checked(place: Path) -> None:
    listen, metrics = free()
    token, policy_file, ca = place / "token", place / "policy.toml", place / "ca.pem"
    for path in (token, policy_file):
        path.touch(0o600)
    token.write_text("dnsf_a-token-of-tests\n")
    control = f'[control_plane]\nurl = "https://control.example.org"\ntoken = "{token}"\nca = "{ca}"\n'
    code, said = check(configured(place, listen, metrics, control, NOBODY))
    state = place / "state"
    assert code == 2
    assert said["problems"] == [
        f"{ca}: user nobody cannot read it: no such file or directory",
        f"read {token}: permission denied",
        f"{state}/node: user nobody cannot create it: type install -d -o nobody {state}/node",
        f"{state}/node/snapshots: user nobody cannot create it: type install -d -o nobody {state}/node/snapshots",
    ]
    code, said = check(configured(place, listen, metrics, user=NOBODY), "--policy", str(policy_file))
    assert said["problems"] == [
        unreadable(policy_file),
        *(
            f"{state}{below}: user nobody cannot create it: type install -d -o nobody {state}{below}"
            for below in ("/node", "", "/policy-snapshots")
        ),
    ]
    assert not state.exists()


@pytest.mark.parametrize("faulty", [False, True])
def test_a_policy_file_alone_is_checked_for_any_machine(place: Path, faulty: bool) -> None:
    path = place / "policy.toml"
    path.write_text("[[ban]]\n" if faulty else "")
    done = run(["dnsfilter", "check", "--policy", str(path), "--json"])
    said = json.loads(done.stdout)
    assert (done.returncode, "user" in said) == (2 if faulty else 0, False)


def checked_by_nobody(config: Path) -> list[str]:
    """Return the problems that a user finds who is neither root nor the node's user.

    The program is imported before: the user may not reach the directory that this project is in.
    """
    script = (
        "import os, sys; import dnsfilter.cli.main, dnsfilter.config.resolved, dnsfilter.cli.doctor.node_files; "
        "import dnsfilter.cli.upstream_questions; "
        "from dnsfilter.engine.choice import chosen_kind, engine_class; engine_class(chosen_kind()); "
        "dnsfilter.cli.main.make_parser(); dnsfilter.__version__; "
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[3])); "
        "dnsfilter.cli.main.main(['check', '--config', sys.argv[1], '--json'])"
    )
    person = pwd.getpwnam(NOBODY)
    command = [sys.executable, "-c", script, str(config), str(person.pw_gid), str(person.pw_uid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = json.loads(done.stdout)
    assert (done.returncode, said["user"]) == (2, NOBODY), done.stderr
    problems: list[str] = said["problems"]
    return problems


@root_only
def test_other_user_is_advised_to_run_the_check_as_root(place: Path) -> None:
    (state := place / "state").mkdir()
    for below in ("node", "snapshots"):
        (state / below).mkdir()
    config = configured(place, *free(), user="daemon")
    advice = "run the check as root, to check as user daemon"
    assert checked_by_nobody(config) == [f"{state}/node: user nobody cannot write to it: {advice}"]
    (state / "node").rmdir()
    assert checked_by_nobody(config) == [f"{state}/node: user nobody cannot create it: {advice}"]
    state.chmod(0o700)
    assert checked_by_nobody(config) == [
        f"{state}/snapshots: user nobody may not read it: {advice}",
        f"{state}/node: user nobody cannot reach it: {advice}",
    ]


@root_only
def test_machine_without_the_nodes_user_gets_advice_for_the_caller(place: Path) -> None:
    (place / "state" / "node").mkdir(parents=True)
    config = configured(place, *free(), user="no-such-user")
    node = place / "state" / "node"
    assert checked_by_nobody(config) == [f"{node}: user nobody cannot write to it: type chown nobody {node}"]


@root_only
def test_a_user_that_does_not_exist_is_a_problem(place: Path) -> None:
    listen, metrics = free()
    code, said = check(configured(place, listen, metrics, user="no-such-user"))
    problem = "become user no-such-user: no such user: create it, or change the key user"
    assert (code, said["problems"]) == (2, [problem])


@root_only
def test_the_user_may_bind_a_low_port_as_the_unit_does(place: Path) -> None:
    (place / "state").mkdir()
    os.chown(place / "state", pwd.getpwnam(NOBODY).pw_uid, -1)
    _, metrics = free()
    _, said = check(configured(place, "127.0.0.87:87", metrics, user=NOBODY))
    assert said["problems"] == []
    assert "not tried" not in said


@root_only
def test_a_low_port_is_not_tried_without_the_capability_that_the_unit_has(place: Path) -> None:
    (place / "state").mkdir()
    config = configured(place, "127.0.0.87:87", free()[1])
    script = (
        "import sys; from dnsfilter.worker.privileges import keep_only; from dnsfilter.cli.main import main; "
        "keep_only(); "
        "main(['check', '--config', sys.argv[1], '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", script, config], capture_output=True, text=True, timeout=60)
    said = json.loads(done.stdout)
    assert (done.returncode, said["problems"]) == (0, [])
    assert said["not tried"] == ["127.0.0.87:87 needs CAP_NET_BIND_SERVICE, which the unit has"]


def test_ports_of_other_programs_are_problems_but_not_those_of_a_running_node(place: Path) -> None:
    listen, metrics = free()
    (place / "state").mkdir()
    config = configured(place, listen, metrics)
    with closing(open_listening([parse_endpoint(listen)], 2)):
        assert check(config)[1]["problems"] == []
    with (
        closing(socket.create_server(("127.0.0.1", int(metrics.rpartition(":")[2])))),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.bind(("127.0.0.1", int(listen.rpartition(":")[2])))
        code, said = check(config)
    assert code == 2
    words = "another program uses this port; stop it or choose another address or port"
    assert said["problems"] == [f"listen on {listen} udp: {words}", f"listen on {metrics} tcp: {words}"]
