"""The `dnsfilter` command: everything that is done on a node. It brings catalogue and resolver together.

Exit codes: 0 done, 1 a check found something or a needed thing is missing, 2 wrong input.

What `serve` does not need without a policy file is imported where it is used: a resolver that starts is waited for.
"""

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter import __version__
from dnsfilter.completion import add_completion
from dnsfilter.config.endpoint import endpoint_text, parse_endpoint
from dnsfilter.config.load import default_config, load_config
from dnsfilter.config.model import Config
from dnsfilter.engine.choice import chosen_kind, engine_class
from dnsfilter.errors import ConfigError, DnsfilterError, Problem, UnavailableError
from dnsfilter.node.explaining import decision_text, decision_value
from dnsfilter.node.firstload import load_first
from dnsfilter.node.identity import IDENTITY, is_key, load_token
from dnsfilter.node.localprompt import add_local_commands, published_text, suspension_text, suspension_value
from dnsfilter.node.policyfeed import PolicyFeed, laid_over
from dnsfilter.node.privatefiles import make_private
from dnsfilter.node.reloading import check_listen
from dnsfilter.node.sockets import address_faults, buffer_advice, buffer_ms, receive_buffer
from dnsfilter.node.start import give_up_root, open_sockets, start_recruit, this_program
from dnsfilter.node.supervisor import Means, Supervisor
from dnsfilter.node.upgrade import take_handover
from dnsfilter.policy.instants import DEFAULT_ZONE, EXAMPLES, at_words, instant_of, parse_written
from dnsfilter.policy.model import Instant, Service, Suspension
from dnsfilter.snapshot.compiler import KEPT_PAST_S, compile_policy
from dnsfilter.snapshot.files import Files
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.store import SnapshotStore
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.terminal import say
from dnsfilter.wire.names import name_text

if TYPE_CHECKING:
    from dnsfilter.node.control import Control
    from dnsfilter.node.localcommands import LocalNode

KEPT_REVISIONS = 20
DAY_S = 86_400
DONE, FOUND, WRONG_INPUT = 0, 1, 2
_LOG = logging.getLogger("dnsfilter.node")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs one command and exits."""
    options = make_parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        if options.run in (_serve, _up):
            raise
        # Whoever read the output has seen enough; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except ConfigError as error:
        for problem in error.problems:
            say(problem, file=sys.stderr)
        code = WRONG_INPUT
    except DnsfilterError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        code = FOUND
    except KeyboardInterrupt:
        code = FOUND
    sys.exit(code)


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = argparse.ArgumentParser(prog="dnsfilter", description="An office resolver that carries out bans.")
    parser.add_argument("--version", action="version", version=f"dnsfilter {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = _command(commands, "serve", _serve, "run the resolver in the foreground")
    _add_files(serve)
    check = _command(commands, "check", _check, "check configuration and policy file; print every problem")
    _add_files(check)
    check.add_argument("--json", action="store_true", help="print the result as JSON")
    explain = _command(commands, "explain", _explain, "what this node's snapshot decides")
    _add_files(explain)
    explain.add_argument("client", help="the client's address")
    explain.add_argument("name", help="the name it asks for, or a URL")
    explain.add_argument("--at", help=f"a date, or a time: {EXAMPLES}; without a zone, {DEFAULT_ZONE} (default: now)")
    explain.add_argument("--json", action="store_true", help="print the result as JSON")
    enrol = _command(commands, "enrol", _enrol, "make this node known to its control plane")
    enrol.add_argument("--config", type=Path, required=True, help="configuration (TOML), with control_plane.url")
    enrol.add_argument("--token-file", type=Path, required=True, help="file that holds the one-time token")
    enrol.add_argument("--ca", type=Path, help="certificates of who vouches for the control plane (PEM)")
    enrol.add_argument(
        "--key", metavar="HEX", help="refuse any other key of snapshots than `dnsfilterctl node key` says"
    )
    enrol.add_argument("--allow-plain", action="store_true", help="plain HTTP also where others hear it")
    add_local_commands(commands, _local_node)
    up = _command(commands, "up", _up, "run resolver and control plane together on this machine")
    up.add_argument("--state-dir", type=Path, default=Path(".run"), help="database, snapshots, token (default: .run)")
    up.add_argument("--upstream", action="append", default=[], metavar="HOST:PORT", help="ask this server (repeatable)")
    up.add_argument("--policy", type=Path, help="policy file to load into an empty database")
    up.add_argument("--workers", type=int, help="processes that answer (default: one for each core)")
    up.add_argument("--listen", default="127.0.0.1:5300", help="DNS (default: %(default)s)")
    up.add_argument("--metrics-listen", default="127.0.0.1:9153", help="the resolver's metrics (default: %(default)s)")
    up.add_argument("--api-listen", default="127.0.0.1:8080", help="API (default: %(default)s)")
    up.add_argument("--api-metrics-listen", default="127.0.0.1:9154", help="the API's metrics (default: %(default)s)")
    add_completion(commands, make_parser)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    return command


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, help="configuration (TOML)")
    command.add_argument("--policy", type=Path, help="policy file (TOML): the node decides by it, without an API")


def _config(options: argparse.Namespace) -> Config:
    if options.config is None and options.policy is None:
        raise ConfigError((Problem("command line", "give --config, --policy or both"),))
    return default_config() if options.config is None else load_config(options.config)


def _serve(options: argparse.Namespace) -> int:
    handover = take_handover()
    config = _config(options)
    check_listen(config, handover.endpoints)
    engine = chosen_kind()
    logs.setup()
    one_time_token = _one_time_token(config)  # which may be root's to read
    follow = partial(_follow, config, one_time_token) if _follows(options, config) else None
    give_up_root(config)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # 256 sockets an upstream, and the clients'
    listening, status = open_sockets(config, handover)
    recruit = start_recruit(listening, engine)  # it starts while the snapshot is read
    store = _store(options, config)
    feed = PolicyFeed(store, config.control_plane.site, node_dir=_node_dir(config))
    if options.policy is not None and handover.is_trial:
        now = store.making_s(int(time.time()))
        feed.take(_policy_files(options.policy, config, now, now))
    else:
        _publish(options, config, store)
        pull = None if follow is None else partial(_pull_first, config, one_time_token)
        load_first(feed, config, pull, least=handover.trial_of or 0)

    def load() -> Config:
        fresh = _config(options)
        _publish(options, config, store)
        return fresh

    async def run() -> None:
        means = Means(load, this_program(), None if handover.is_trial else follow)
        supervisor = Supervisor(config, engine, listening, status, feed, means, handover, recruit)
        if handover.is_trial:
            from dnsfilter.node.trial import rehearse

            await rehearse(supervisor, listening.endpoints[0])
        else:
            await supervisor.run()

    asyncio.run(run())
    return DONE


def _publish(options: argparse.Namespace, config: Config, store: SnapshotStore) -> None:
    """Publish the policy file, if one is given."""
    if options.policy is not None:
        publish_policy_file(options.policy, config.state_dir, store, int(time.time()))


def _follows(options: argparse.Namespace, config: Config) -> bool:
    """Whether this node has its policy from a control plane that it asks."""
    return options.policy is None and config.control_plane.url is not None


def _one_time_token(config: Config) -> str | None:
    """What the configured file holds, where it is needed and can be read now."""
    path = config.control_plane.token
    if path is None or (config.node_dir / IDENTITY).exists():
        return None
    with suppress(UnavailableError):
        return load_token(path)
    return None


def _follow(config: Config, one_time_token: str | None, placed: Callable[[], object]) -> "Control":
    from dnsfilter.node.control import Control

    return Control(config, one_time_token, placed)


def _pull_first(config: Config, one_time_token: str | None) -> None:
    """Have a node that has nothing to decide by ask for it. Raises DnsfilterError."""
    from dnsfilter.node.control import pull_first

    pull_first(config, one_time_token)


def _store(options: argparse.Namespace, config: Config) -> SnapshotStore:
    """The store that this node decides by: of what it pulls, else one that a control plane on this machine fills.

    With a policy file it has one of its own.
    """
    if _follows(options, config):
        return SnapshotStore(config.node_dir / "snapshots")
    return SnapshotStore(config.state_dir / ("snapshots" if options.policy is None else "policy-snapshots"))


def publish_policy_file(path: Path, state_dir: Path, store: SnapshotStore, clock_s: Instant) -> None:
    """Makes the policy file the store's current snapshot, dated by the wall clock as far as the store believes it.

    Raises ConfigError for a faulty file, UnavailableError when the disk refuses.
    """
    from dnsfilter.config.resolved import last_loading, resolved_policy

    now = store.making_s(clock_s)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"make state directory {state_dir}: {error.strerror}") from error
    policy = resolved_policy(path, state_dir, services=_services(), now=now)
    loaded = last_loading(policy)
    if loaded > now + DAY_S:
        at = datetime.fromtimestamp(loaded, UTC).isoformat()
        logs.emit(_LOG, logging.WARNING, "policy file was loaded later than it is now", at=at)
    # Where the kept dates were lost, their count of revisions began anew; the store's did not.
    revision = max(policy.revision, store.current_revision() or 0)
    store.publish(compile_policy(replace(policy, revision=revision), now))
    store.prune(KEPT_REVISIONS)


def _services() -> dict[str, Service]:
    from blocklists.catalogue import load_catalogue

    return {service.slug: service for service in load_catalogue().services}


def _node_dir(config: Config) -> Path:
    """The node's own directory, which is made while we are the node; without it nothing can be suspended by hand."""
    try:
        make_private(config.node_dir)
    except UnavailableError as error:
        logs.emit(_LOG, logging.WARNING, "nothing can be done to this node by hand", reason=error)
    return config.node_dir


def _local_node(options: argparse.Namespace) -> "LocalNode":
    from dnsfilter.node.localcommands import LocalNode

    config = _config(options)
    return LocalNode(config, _store(options, config), by_policy_file=options.policy is not None)


def _enrol(options: argparse.Namespace) -> int:
    from dnsfilter.node.enrolment import enrol

    config = load_config(options.config)
    control = config.control_plane
    if control.url is None:
        raise ConfigError((Problem(f"{options.config}: control_plane.url", "is needed to enrol"),))
    if options.key is not None and not is_key(options.key):
        raise ConfigError((Problem("--key", "write the 64 hexadecimal digits that `dnsfilterctl node key` prints"),))
    token = load_token(options.token_file)
    give_up_root(config)
    control = replace(control, ca=options.ca or control.ca, key=options.key or control.key)
    identity = enrol(control, token, config.node_dir, allow_plain=options.allow_plain)
    say(f"enrolled at {control.url} as {identity.name}, site {identity.site}; kept in {config.node_dir}")
    say(f"snapshots are taken that are signed under the key {identity.key}, and no others")
    return DONE


def _check(options: argparse.Namespace) -> int:
    from dnsfilter.config.resolved import load_policy_file

    problems: list[str] = []
    said: dict[str, object] = {}
    config: Config | None = None
    try:
        said["engine"] = kind = chosen_kind()
        engine_class(kind)
    except ConfigError as error:
        problems += map(str, error.problems)
    except UnavailableError as error:
        problems.append(str(error))
    try:
        config = _config(options)
    except ConfigError as error:
        problems += map(str, error.problems)
    if options.policy is not None:
        try:
            policy = load_policy_file(options.policy, services=_services(), now=int(time.time()))
            said |= {"authorities": len(policy.authorities), "ranges": len(policy.ranges), "bans": len(policy.bans)}
        except ConfigError as error:
            problems += map(str, error.problems)
    if config is not None:
        _check_here(options, config, problems, said)
    if options.json:
        print(json.dumps({"problems": problems, **said}))
    else:
        for problem in problems:
            say(problem, file=sys.stderr)
        if not problems:
            say("; ".join(f"{key}: {_shown(value)}" for key, value in said.items()))
    return WRONG_INPUT if problems else DONE


def _check_here(options: argparse.Namespace, config: Config, problems: list[str], said: dict[str, object]) -> None:
    """Add what the configuration means on this machine, and what the node's user cannot do.

    This process becomes that user.
    """
    from dnsfilter.node.checkup import check_up

    said["listen"] = [endpoint_text(endpoint) for endpoint in config.listen]
    problems += address_faults((*config.listen, config.metrics_listen))
    if config.left_out:
        said["left out"] = [endpoint_text(endpoint) for endpoint in config.left_out]
    said["workers"] = config.workers
    said["receive buffer"] = _buffer_text()
    said["upstream"] = [endpoint_text(server) for server in config.upstream.servers]
    if options.config is None:
        return  # Without a configuration only the policy file is checked.
    files = [options.config, *([] if options.policy is None else [options.policy])]
    found = check_up(config, files, _store(options, config).directory, by_policy=options.policy is not None)
    problems += found.problems
    said["user"] = found.user
    if found.not_tried:
        said["not tried"] = list(found.not_tried)


def _buffer_text() -> str:
    octets = receive_buffer()
    advice = buffer_advice(octets)
    text = f"{octets} octets, {buffer_ms(octets):.0f} ms at 50000 queries per second"
    return text if advice is None else f"{text}; set {advice}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _explain(options: argparse.Namespace) -> int:
    from dnsfilter.wire.asked import parse_asked

    config = _config(options)
    now = _store(options, config).making_s(int(time.time()))
    try:
        client, name = ip_address(options.client), parse_asked(options.name)
        at = now if options.at is None else instant_of(parse_written(options.at), DEFAULT_ZONE)
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    suspensions = _suspensions(options)
    snapshot = _snapshot(options, config, now, at, suspensions)
    if at < (known_from := snapshot.made_s - KEPT_PAST_S):
        say(f"dnsfilter: this snapshot tells nothing of before {at_words(known_from)}: ask trace", file=sys.stderr)
        return WRONG_INPUT
    decision = snapshot.decide(client, name, at)
    concerning = (None, decision.authority)
    aside = [each for each in suspensions if each.period.holds(at) and each.authority in concerning]
    given = {(each.authority, each.start, each.end) for each in aside}
    published = [
        each
        for each in snapshot.suspensions(at)
        if each.authority in concerning and (each.authority, each.start, each.end) not in given
    ]
    if options.json:
        suspended = [suspension_value(suspension) for suspension in aside]
        suspended += [suspension_value(suspension, snapshot.revision) for suspension in published]
        answer = {"revision": snapshot.revision, "name": name_text(name), **decision_value(decision)}
        print(json.dumps({**answer, "suspended": suspended}))
        return DONE
    for suspension in aside:
        say(suspension_text(suspension))
    for suspension in published:
        say(published_text(suspension, snapshot.revision))
    when = "" if options.at is None else f" at {at_words(at)}"
    say(f"revision {snapshot.revision}{when}, {name_text(name)}: {decision_text(decision)}")
    return DONE


def _suspensions(options: argparse.Namespace) -> tuple[Suspension, ...]:
    """What is suspended on this node itself; nothing, which is said, where others may not know that."""
    try:
        return _local_node(options).suspensions()
    except UnavailableError as error:
        say(f"dnsfilter: without what is suspended on this node itself: {error}", file=sys.stderr)
        return ()


def _snapshot(
    options: argparse.Namespace, config: Config, now: Instant, at: Instant, suspensions: tuple[Suspension, ...]
) -> Snapshot:
    """What the node decides by, or would by that policy file at an instant; nothing is written."""
    if options.policy is None:
        files, passed_over = _store(options, config).read_best()
        if passed_over is not None:
            say(f"dnsfilter: decided by revision {files.revision}: {passed_over}", file=sys.stderr)
    else:
        # A snapshot leaves out what was over a day before its making.
        files = _policy_files(options.policy, config, now, min(now, at))
    laid = laid_over(files, suspensions, now)
    return Snapshot.open(laid.manifest, laid.names, laid.ranges, laid.rules, config.control_plane.site)


def _policy_files(path: Path, config: Config, now: Instant, made_s: Instant) -> Files:
    """Compile the policy file as of `now`; nothing is written."""
    from dnsfilter.config.resolved import resolved_policy

    made = compile_policy(resolved_policy(path, config.state_dir, services=_services(), now=now, keep=False), made_s)
    return Files(made.revision, made.manifest, made.names.data, made.ranges.data, made.rules.data)


def _up(options: argparse.Namespace) -> int:
    from dnsfilter.node.single import Options, run_single

    try:
        endpoints = [
            parse_endpoint(text)
            for text in (options.listen, options.metrics_listen, options.api_listen, options.api_metrics_listen)
        ]
        upstreams = tuple(parse_endpoint(text) for text in options.upstream)
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    return run_single(Options(options.state_dir, options.policy, upstreams, options.workers, *endpoints))
