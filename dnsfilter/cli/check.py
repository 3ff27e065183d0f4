"""`dnsfilter check`: check configuration and policy file; print every problem."""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, WRONG_INPUT, add_command, add_files, config_of, store_of
from dnsfilter.cli.publishing import services
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config
from dnsfilter.engine.choice import chosen_kind, engine_class
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.supervisor.sockets import address_faults, buffer_advice, buffer_ms, receive_buffer
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.cli.options import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "check", check, "check configuration and policy file; print every problem")
    add_files(command)
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def check(options: argparse.Namespace) -> int:
    """Print every problem, or what was found. Exit code 2 for a problem."""
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
        config = config_of(options)
    except ConfigError as error:
        problems += map(str, error.problems)
    if options.policy is not None:
        try:
            policy = load_policy_file(options.policy, services=services(), now=int(time.time()))
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
    from dnsfilter.cli.checkup import check_up

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
    found = check_up(config, files, store_of(options, config).directory, by_policy=options.policy is not None)
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
