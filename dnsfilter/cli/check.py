"""`dnsfilter check`: check configuration, policy file and upstreams, and print every problem."""

import argparse
import json
import sys
import time

from dnsfilter.cli.options import (
    DONE,
    WRONG_INPUT,
    Commands,
    add_command,
    add_files,
    config_of,
    config_path,
    has_only_policy,
    store_of,
)
from dnsfilter.cli.publishing import NodeNames, services
from dnsfilter.config.client_tables import learning_problems
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import chosen_kind, engine_class
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.supervisor.sockets import address_faults, buffer_advice, buffer_ms, receive_buffer
from dnsfilter.telemetry.terminal import say


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "check", check, "check configuration and policy file, and print every problem")
    add_files(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def check(options: argparse.Namespace) -> int:
    """Print every problem, or a summary if there is none. Return exit code 2 for a problem."""
    from dnsfilter.config.resolved import load_policy_file

    problems: list[str] = []
    found: dict[str, object] = {}
    config: Config | None = None
    try:
        found["engine"] = kind = chosen_kind()
        engine_class(kind)
    except ConfigError as error:
        problems += map(str, error.problems)
    except UnavailableError as error:
        problems.append(str(error))
    try:
        config = config_of(options)
    except ConfigError as error:
        problems += map(str, error.problems)
    if options.policy is not None:
        try:
            now, names = int(time.time()), NodeNames(config)
            policy = load_policy_file(options.policy, services=services(), now=now, guard=names.fault)
            names.demand_allowed(policy, options.policy)
            found |= {"authorities": len(policy.authorities), "ranges": len(policy.ranges), "bans": len(policy.bans)}
        except ConfigError as error:
            problems += map(str, error.problems)
    if config is not None:
        _check_here(options, config, problems, found)
    if options.json:
        print(json.dumps({"problems": problems, **found}))
    else:
        for problem in problems:
            say(problem, file=sys.stderr)
        if not problems:
            say("; ".join(f"{key}: {_shown(value)}" for key, value in found.items()))
    return WRONG_INPUT if problems else DONE


def _check_here(options: argparse.Namespace, config: Config, problems: list[str], found: dict[str, object]) -> None:
    """Add what the configuration means on this machine, and the problems of the node's user.

    This process becomes that user.
    """
    from dnsfilter.cli.doctor.certificate import certificate_text
    from dnsfilter.cli.doctor.node_files import check_up
    from dnsfilter.cli.upstream_questions import upstream_faults

    problems += map(str, learning_problems(config.clients, int(time.time())))
    found["listen"] = [endpoint_text(endpoint) for endpoint in config.listen]
    if config.encrypted.endpoints:
        found["encrypted"] = [endpoint_text(endpoint) for endpoint in config.encrypted.endpoints]
    problems += address_faults((*config.endpoints, config.metrics_listen))
    if config.left_out:
        found["left out"] = [endpoint_text(endpoint) for endpoint in config.left_out]
    found["workers"] = config.workers
    found["receive buffer"] = _buffer_text()
    found["upstream"] = [endpoint_text(server) for server in config.upstream.servers]
    if has_only_policy(options):
        return
    files = [config_path(options.config), *([] if options.policy is None else [options.policy])]
    checkup = check_up(config, files, store_of(options, config).directory, by_policy=options.policy is not None)
    problems += checkup.problems
    problems += upstream_faults(config)
    try:
        if (text := certificate_text(config)) is not None:
            found["certificate"] = text
    except ConfigError as error:
        problems += map(str, error.problems)
    found["user"] = checkup.user
    if checkup.not_tried:
        found["not tried"] = list(checkup.not_tried)


def _buffer_text() -> str:
    size = receive_buffer()
    advice = buffer_advice(size)
    text = f"{size} bytes, {buffer_ms(size):.0f} ms at 50000 queries per second"
    return text if advice is None else f"{text}; type {advice}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
