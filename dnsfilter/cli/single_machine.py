"""Run resolver and control plane together on one machine, in the foreground, for `dnsfilter up`."""

import contextlib
import fcntl
import json
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import FrameType

from dnsfilter.cli.options import program_path
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.control.local_enrolment import join
from dnsfilter.control.puller import SNAPSHOTS
from dnsfilter.errors import ConfigError, Problem, SnapshotError, UnavailableError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Instant
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.supervisor.sockets import BOTH, TCP, check_free
from dnsfilter.telemetry.terminal import escape, say
from dnsfilter.wire.names import parse_name
from dnsfilter.worker.privileges import end_with

START_S = 60.0
STOP_S = 10.0
API_PORT = 8080
_PAUSE_S = 0.05
_LOOPBACK, _ANY = IPv4Address("127.0.0.1"), IPv4Address("0.0.0.0")
_NAME = "www.tiktok.com"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine. A proxy cannot reach its loopback."""
_EXAMPLES = {
    "127.0.0.1": ("brussels-city", Verdict.REFUSE),
    "127.0.22.10": ("brussels-city", Verdict.PASS),
    "127.0.5.10": ("ghent", Verdict.REFUSE),
}
"""The decisions of the example policy that the banner shows."""


@dataclass(frozen=True, slots=True)
class Options:
    """The state directory, files and addresses. `policy` is loaded only into an empty database.

    If `workers` is None, there is one for each core.
    """

    state_dir: Path
    policy: Path | None
    upstreams: tuple[Endpoint, ...] | str
    workers: int | None
    listen: Endpoint
    metrics: Endpoint
    api: Endpoint
    api_metrics: Endpoint


class _Interrupted(Exception):
    """Ctrl-C or SIGTERM."""


def run_single(options: Options) -> int:
    """Run both until Ctrl-C or SIGTERM. Return the exit code.

    If the control plane cannot start but the resolver has a snapshot, the resolver runs alone. This is printed at the
    start and at the end, and the exit code is 1. Raise ConfigError or UnavailableError if neither can start.
    """
    with _state_dir_lock(options):
        return _run(options)


def _run(options: Options) -> int:
    config_path = _write_config(options, follows=True)
    config = load_config(config_path)
    if taken := tuple(_address_problems(options)):
        raise ConfigError(taken)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    api: subprocess.Popen[bytes] | None = None
    node: subprocess.Popen[bytes] | None = None
    down: str | None = None
    try:
        api = _start([*_api_command(options), "--create"])
        down = _await_control_plane(api, options)
        follows = _join_control_plane(options, config) if down is None else _uses_pulled_snapshots(config, down)
        if not follows:
            _write_config(options, follows=False)
        node = _start([program_path("dnsfilter"), "serve", "--config", str(config_path)])
        _await_ready(node, "resolver", options.metrics, "/readyz")
        if down is None:
            print(_banner(options, config, int(time.time()), _sign_in_link(options)), flush=True)
        else:
            print(_banner_alone(options, down), flush=True)
        return _watch(api, node, options, is_reported=down is not None)
    except _Interrupted:
        print("\nstopping", flush=True)
        if down is None:
            return 0
        say(f"dnsfilter: the resolver ran without a control plane: {down}", file=sys.stderr, flush=True)
        return 1
    finally:
        _ignore_signals()
        for process in (node, api):
            if process is not None:
                _stop(process)


@contextlib.contextmanager
def _state_dir_lock(options: Options) -> Iterator[None]:
    """Lock the state directory. Raise ConfigError, also with the addresses in use, if another process has locked it."""
    path = options.state_dir / "up.lock"
    try:
        options.state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UnavailableError(f"write {path}: {(error.strerror or str(error)).lower()}") from error
    with open(lock, "rb"):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another `dnsfilter up` uses {options.state_dir}: stop it or choose another directory"
            raise ConfigError((Problem("--state-dir", message), *_address_problems(options))) from None
        yield


def _address_problems(options: Options) -> Iterator[Problem]:
    """Yield a problem for each address that cannot be bound."""
    for argument, endpoint, kinds in (
        ("--listen", options.listen, BOTH),
        ("--metrics-listen", options.metrics, TCP),
        ("--api-listen", options.api, TCP),
        ("--api-metrics-listen", options.api_metrics, TCP),
    ):
        try:
            check_free([endpoint], kinds=kinds)
        except UnavailableError as error:
            yield Problem(argument, str(error))


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a program that ends when this process ends, for any reason."""
    parent = os.getpid()  # this process has one thread, as `preexec_fn` needs

    def tie() -> None:
        if not end_with(parent):
            os._exit(1)

    return subprocess.Popen(command, preexec_fn=tie)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise _Interrupted


def _ignore_signals() -> None:
    """Ignore further signals, so that they do not interrupt the stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not SIG_IGN: Python prints a traceback for a signal that arrived before its handler was replaced.
        signal.signal(number, lambda _number, _frame: None)


def _await_control_plane(api: subprocess.Popen[bytes], options: Options) -> str | None:
    """Return the reason why the control plane has not started. None if it has."""
    try:
        # Not `/readyz`: a control plane that refuses acts, because its database is damaged, still serves nodes.
        _await_ready(api, "control plane", options.api, "/healthz")
    except UnavailableError as error:
        return str(error)
    return None


def _uses_pulled_snapshots(config: Config, down: str) -> bool:
    """Return True if the node has a complete pulled snapshot, False if it can use the published files on disk.

    Raise UnavailableError, with the reason why the control plane is `down`, if it has neither.
    """
    for directory, is_pulled in ((config.node_dir, True), (config.state_dir, False)):
        try:
            SnapshotStore(directory / SNAPSHOTS).read_best()
        except SnapshotError:
            continue
        return is_pulled
    raise UnavailableError(f"{down}; the resolver has no snapshot to run without it")


def _join_control_plane(options: Options, config: Config) -> bool:
    """Register this machine's node if needed. If that fails, print it and return False: the node reads from disk."""
    try:
        join(config.control_plane, config.node_dir, options.state_dir / "admin-token")
    except UnavailableError as error:
        say(f"this machine is not registered as a node and reads snapshots from disk: {error}", flush=True)
        return False
    return True


def _sign_in_link(options: Options) -> str:
    """Return a link that signs the administrator in to the console once, or the command that makes one."""
    api = options.api
    shown = f"localhost:{api.port}" if api.address in (_LOOPBACK, _ANY) else endpoint_text(api)
    try:
        token = (options.state_dir / "admin-token").read_text().strip()
        request = urllib.request.Request(
            f"http://{_reached(api)}/v1/self/sign-in-links", b"", {"Authorization": f"Bearer {token}"}, method="POST"
        )
        with _DIRECT.open(request, timeout=START_S) as answer:
            return f"http://{shown}{json.load(answer)['path']} (works once, for ten minutes)"
    except (OSError, ValueError) as error:
        return f"no link, because {error}; type {_shown_program('dnsfilterctl')} console"


def _reached(api: Endpoint) -> str:
    return endpoint_text(replace(api, address=_LOOPBACK) if api.address == _ANY else api)


def _write_config(options: Options, *, follows: bool) -> Path:
    """Write the resolver's configuration at each start, so that it can be read and copied. Return its path.

    If the resolver `follows` the control plane, it pulls snapshots as every other node does.
    """
    lines = [
        "# Written by `dnsfilter up` at each start.",
        f'listen = ["{endpoint_text(options.listen)}"]',
        f'metrics_listen = "{endpoint_text(options.metrics)}"',
        'state_dir = "."',
        # Both programs share the state directory, so both run as the current user.
        f'user = "{pwd.getpwuid(os.geteuid()).pw_name}"',
    ]
    if options.workers is not None:
        lines.append(f"workers = {options.workers}")
    if options.upstreams:
        named = options.upstreams
        servers = json.dumps(named if isinstance(named, str) else [endpoint_text(server) for server in named])
        lines += ["", "[upstream]", f"servers = {servers}"]
    if follows:
        lines += ["", "[control_plane]", f'url = "http://{endpoint_text(options.api)}"']
    lines += [
        "",
        "# No rate limit for this machine, so that the resolver can be measured from here.",
        "[[limits.override]]",
        'prefix = "127.0.0.1/32"',
        "queries_per_second = 0",
    ]
    path = options.state_dir / "dnsfilter.toml"
    try:
        options.state_dir.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise UnavailableError(f"write {path}: {(error.strerror or str(error)).lower()}") from error
    return path


def _api_command(options: Options) -> list[str]:
    command = [
        *(program_path("dnsfilter-api"), "--state-dir", str(options.state_dir)),
        *("--listen", endpoint_text(options.api), "--metrics-listen", endpoint_text(options.api_metrics)),
    ]
    return command if options.policy is None else [*command, "--init-policy", str(options.policy)]


def _await_ready(process: subprocess.Popen[bytes], what: str, endpoint: Endpoint, page: str) -> None:
    url = f"http://{endpoint_text(endpoint)}{page}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnavailableError(f"start {what}: it ended {_ending_text(process.returncode)}; see its messages above")
        with contextlib.suppress(OSError), _DIRECT.open(url, timeout=1):
            return
        time.sleep(_PAUSE_S)
    raise UnavailableError(f"start {what}: not ready within {START_S:g} s; see its messages above")


def _watch(api: subprocess.Popen[bytes], node: subprocess.Popen[bytes], options: Options, *, is_reported: bool) -> int:
    """Wait until the resolver ends. If the control plane ends before, print it unless it `is_reported` already."""
    while node.poll() is None:
        if api.poll() is not None and not is_reported:
            is_reported = True
            command = " ".join(_api_command(options))
            ended = f"the control plane ended {_ending_text(api.returncode)}; the resolver continues"
            print(f"{ended}. To start it again: {command}", flush=True)
        time.sleep(_PAUSE_S)
    print(f"dnsfilter: the resolver ended {_ending_text(node.returncode)}", file=sys.stderr)
    return 1


def _ending_text(code: int) -> str:
    """Return how a process ended, by the return code of `Popen`: a negative one is a signal."""
    return f"with status {code}" if code >= 0 else f"by signal {signal.Signals(-code).name}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _banner_alone(options: Options, down: str) -> str:
    return f"""
The resolver runs without its control plane, by the last policy on this machine. Bans cannot be changed.

  DNS       {endpoint_text(options.listen)}, UDP and TCP
  API       {escape(down)}
            to start it, type: {" ".join(_api_command(options))}

Ctrl-C stops everything."""


def _banner(options: Options, config: Config, now: Instant, link: str) -> str:
    upstreams = ", ".join(endpoint_text(server) for server in config.upstream.servers)
    advice = _examples(options) if _has_example(config, now) else _first_steps()
    return f"""
dnsfilter is running.

  DNS       {endpoint_text(options.listen)}, UDP and TCP; asks {upstreams}
  console   {link}
  API       http://{endpoint_text(options.api)}/docs
  metrics   http://{endpoint_text(options.metrics)}/metrics (resolver), \
http://{endpoint_text(options.api_metrics)}/metrics (API)
  state     {options.state_dir} (the administrator's token: {options.state_dir / "admin-token"})

Try, in another terminal:

{_variables(options)}{advice}

Ctrl-C stops everything."""


def _variables(options: Options) -> str:
    """Return the variables with which `dnsfilterctl` finds this API and its token. Empty if it needs none."""
    api, token = options.api, (options.state_dir / "admin-token").absolute()
    if api == Endpoint(_LOOPBACK, API_PORT) and token.parent == Path.cwd() / ".run":
        return ""
    return f"  export DNSFILTER_URL=http://{_reached(api)} DNSFILTER_TOKEN_FILE={shlex.quote(escape(str(token)))}\n"


def _examples(options: Options) -> str:
    dns, port, control = options.listen.address, options.listen.port, _shown_program("dnsfilterctl")
    return f"""\
  dig @{dns} -p {port} www.tiktok.com                    refused: this machine is in a range of Brussels City
  dig -b 127.0.22.10 @{dns} -p {port} www.tiktok.com     answered: its public Wi-Fi
  {control} explain 127.0.5.10 www.tiktok.com
  {control} ban off ghent tiktok
  dig -b 127.0.5.10 @{dns} -p {port} www.tiktok.com      answered, until you type: ban on ghent tiktok"""


def _first_steps() -> str:
    control = _shown_program("dnsfilterctl")
    return f"""\
  {control} status
  {control} authority list
  {control} authority onboard AUTHORITY     lists what an authority needs, and the next step"""


def _has_example(config: Config, now: Instant) -> bool:
    """Return whether the published snapshot makes the decisions of the examples."""
    try:
        files, _ = SnapshotStore(config.state_dir / SNAPSHOTS).read_last_good()
        held = Snapshot.open(files.manifest, files.names, files.ranges, files.rules, config.control_plane.site)
    except SnapshotError:
        return False
    decisions = [(client, held.decide(ip_address(client), parse_name(_NAME), now)) for client in _EXAMPLES]
    return all((decision.authority, decision.verdict) == _EXAMPLES[client] for client, decision in decisions)


def _shown_program(name: str) -> str:
    path = Path(program_path(name))
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return str(path)
