"""`dnsfilter setup`: write and check the files, make the installation, start it, and register the networks."""

import argparse
import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, FOUND, UNIT_CONFIG, Commands, add_command
from dnsfilter.errors import ConfigError, DnsfilterError, Problem
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.cli.setup.answers import Answers
    from dnsfilter.cli.setup.files import Draft

NEXT = "the resolver runs; next: register all networks, adopt a ban (dnsfilterctl ban adopt{}), and change DHCP"
CLOCK = (
    "no NTP client has confirmed this clock to the kernel: wait until timedatectl says that it is synchronized. "
    "With PTP or a hypervisor's tools it never is: then type dnsfilter setup --trust-clock"
)
NOT_WRITTEN = "[[zone]] {} is not written: {}. Make the zone there and type this command again, or add --force"
ELSEWHERE = "set up the control plane's machine, and edit this node's file (docs/tasks/second-node.md)"
ENVIRONMENT, POLICY = (UNIT_CONFIG.with_name(name) for name in ("api.env", "policy.toml"))


def add(commands: Commands) -> None:
    """Add the command."""
    text = "configure and start resolver and control plane on this machine, and register the office's networks"
    command = add_command(commands, "setup", setup, text)
    for option, metavar, what in (
        ("--listen", "ADDRESS", "address that answers queries"),
        ("--upstream", "ADDRESS", "server to forward queries to, a public resolver such as dns4eu, or resolv.conf"),
        ("--controller", "ADDRESS", "domain controller, which is asked for the domain and the networks' addresses"),
        ("--name", "LANGUAGE=NAME", "name of the authority in a language"),
        ("--network", "PREFIX,FUNDING,AUDIENCE[,LABEL]", "network of the authority"),
        ("--learn", "PREFIX", "private network whose unregistered clients get answers for the next two weeks"),
    ):
        help_text = f"{what} (repeatable)"
        command.add_argument(option, action="append", default=[], metavar=metavar, help=help_text)
    command.add_argument("--domain", metavar="NAME", help="domain that the office serves itself, such as corp.local")
    command.add_argument("--authority", metavar="SLUG", help="short name of the authority, such as ghent")
    command.add_argument("--kind", metavar="KIND", help="its kind, such as municipality")
    command.add_argument("--languages", metavar="LIST", help="its languages in order (default: those of --name)")
    command.add_argument("--time-zone", metavar="ZONE", help="its time zone")
    command.add_argument("--contact", metavar="ADDRESS", help="mail address of a function, not of a person")
    command.add_argument(
        "--reply", metavar="REPLY", help="reply that bans are to give; the last line then names it for the next step"
    )
    command.add_argument("--mail-server", metavar="HOST[:PORT]", help="server for notices to the contact")
    command.add_argument("--mail-from", metavar="ADDRESS", help="sender of the notices")
    command.add_argument(
        "--trust-clock",
        action="store_true",
        help="believe this machine's clock, also if no NTP client confirms it",
    )
    command.add_argument(
        "--force", action="store_true", help="write upstreams and reverse zones also if their servers do not answer"
    )
    command.add_argument("--yes", action="store_true", help="ask nothing: set what the options give")
    command.add_argument("--json", action="store_true", help="ask nothing, and print the result as JSON")


def setup(options: argparse.Namespace) -> int:
    """Do all steps. Raise ConfigError with every problem before anything is changed."""
    from dnsfilter.cli.setup.questions import typed_line
    from dnsfilter.telemetry.dialogue import InputEnded

    if os.geteuid() != 0:
        raise ConfigError((Problem("dnsfilter setup", "needs root, to write /etc/dnsfilter and to start the units"),))
    try:
        return _run(options)
    except InputEnded:
        say("nothing was changed")
        return FOUND
    except KeyboardInterrupt:
        say("interrupted: type the command again to do the rest", file=sys.stderr)
        raise
    except DnsfilterError as error:
        if options.json:
            problems = error.problems if isinstance(error, ConfigError) else (error,)
            print(json.dumps({"problems": [str(problem) for problem in problems]}))
        elif _asks(options):
            say(f"to repeat or change this, type: {typed_line(options)}")
        raise


def _asks(options: argparse.Namespace) -> bool:
    from dnsfilter.telemetry.dialogue import at_terminal

    return at_terminal() and not options.yes and not options.json


def _run(options: argparse.Namespace) -> int:
    from dnsfilter.cli.setup.answers import answers_of
    from dnsfilter.cli.setup.asked_servers import unanswered_zones
    from dnsfilter.cli.setup.config_file import parsed, reverse_zones_to_write
    from dnsfilter.cli.setup.files import read_text, staged
    from dnsfilter.cli.setup.present import present_values
    from dnsfilter.cli.setup.questions import ask_for_missing
    from dnsfilter.local.believed_clock import kernel_is_synchronized
    from dnsfilter.telemetry.dialogue import InputEnded, confirm

    held = {path: read_text(path) for path in (UNIT_CONFIG, ENVIRONMENT, POLICY)}
    config, policy = (parsed(held[path] or "", str(path)) for path in (UNIT_CONFIG, POLICY))
    present = present_values(config, policy, held[ENVIRONMENT] or "")
    if not options.json:
        say(f"In {UNIT_CONFIG.parent} now:")
        for line in present.lines():
            say(line)
    asks = _asks(options)
    if asks:
        ask_for_missing(options, present)
    answers = answers_of(options, present)
    notes = [] if answers.trust_clock or present.trust_clock or kernel_is_synchronized() else [CLOCK]
    if not options.force:
        zones = reverse_zones_to_write(held[UNIT_CONFIG] or "", str(UNIT_CONFIG), answers)
        unanswered = unanswered_zones(zones)
        notes += [NOT_WRITTEN.format(suffix, reason) for suffix, reason in unanswered.items()]
        answers = replace(answers, left_out=frozenset(unanswered))
    drafts = _drafts(held, answers)
    with staged(drafts):
        is_new = _check(drafts, asks_upstreams=bool(answers.upstreams), force=options.force)
        for note in [] if options.json else notes:
            say(note)
        if asks and not confirm("The files are valid. Write them, start both programs and register the networks?"):
            raise InputEnded
        return _carry_out(options, answers, drafts, notes, is_new=is_new)


def _drafts(held: dict[Path, str | None], answers: "Answers") -> list["Draft"]:
    from dnsfilter.cli.setup import api_env, config_file, policy_file
    from dnsfilter.cli.setup.files import Draft

    config, env, policy = held[UNIT_CONFIG], held[ENVIRONMENT], held[POLICY]
    texts = {
        UNIT_CONFIG: config_file.edited_config(config or config_file.NEW, str(UNIT_CONFIG), answers),
        ENVIRONMENT: api_env.edited_environment(env or api_env.NEW, answers),
    }
    if policy is not None or answers.slug:
        texts[POLICY] = policy_file.edited_policy(policy or policy_file.NEW, str(POLICY), answers)
    groups = {UNIT_CONFIG: "dnsfilter", ENVIRONMENT: "dnsfilter-api", POLICY: "dnsfilter"}
    return [Draft(path, held[path], text, groups[path]) for path, text in texts.items()]


def _check(drafts: list["Draft"], *, asks_upstreams: bool, force: bool) -> bool:
    """Raise ConfigError with the problems of all files, each as the user who reads it, and of upstreams.

    With `force`, what servers answer is no problem. Return whether an installation is to be made.
    """
    from dnsfilter.cli.setup.asked_servers import upstream_problems
    from dnsfilter.cli.setup.files import check_problems, check_settings
    from dnsfilter.cli.setup.services import is_only_node
    from dnsfilter.cli.upstream_questions import RECURSION_ADVICE
    from dnsfilter.config.load import load_config

    config, environment, *policy = drafts
    problems = check_problems(["--config", str(config.staged)], drafts)
    for draft in policy:
        problems += check_problems(["--policy", str(draft.staged)], drafts)
    if force or asks_upstreams:  # those that were asked here are named once
        problems = [each for each in problems if RECURSION_ADVICE not in each]
    with suppress(ConfigError):
        loaded = load_config(config.staged)
        problems += upstream_problems(loaded.upstream.servers) if asks_upstreams and not force else []
        control = loaded.control_plane
        # A later step makes the one-time token.
        if control.token is not None:
            problems = [each for each in problems if str(control.token) not in each]
        if control.url is not None and not control.is_at_home:
            problems.append(f"{config.path}: control_plane.url is another machine's: {ELSEWHERE}")
        elif is_only_node():
            problems.append(f"{config.path}: dnsfilter-api is masked, so this machine is only a node: {ELSEWHERE}")
    faults, is_new = check_settings(environment)
    problems += faults
    if problems:
        raise ConfigError(tuple(Problem(*_parts(each)) for each in problems))
    return is_new


def _parts(problem: str) -> tuple[str, str]:
    location, _, message = problem.partition(": ")
    return location, message


def _carry_out(
    options: argparse.Namespace, answers: "Answers", drafts: list["Draft"], notes: list[str], *, is_new: bool
) -> int:
    from dnsfilter.cli.setup import services
    from dnsfilter.cli.setup.files import put_in_place
    from dnsfilter.config.load import load_config

    config_draft, environment, *policy = drafts
    changed = put_in_place([config_draft, environment])
    config = load_config(UNIT_CONFIG)
    services.make_installation(config, is_new=is_new)
    started = services.has_systemd()
    if started:
        services.start_units()
    registered = all(services.Registration(config).register(answers, draft.staged) for draft in policy)
    if registered:
        changed += put_in_place(policy)
    _print_result(options, changed, notes, started=started, registered=registered)
    return DONE if registered else FOUND


def _print_result(
    options: argparse.Namespace,
    changed: list[tuple[Path, Path | None]],
    notes: list[str],
    *,
    started: bool,
    registered: bool,
) -> None:
    from dnsfilter.cli.setup.services import START

    steps = []
    if not started:
        steps.append(f"systemd does not run this machine; with it: {START}; else dnsfilter-api and dnsfilter serve")
    if not registered:
        steps.append("when the control plane runs, type this command again: it registers authority and networks")
    if options.json:
        kept = {str(path): None if copy is None else str(copy) for path, copy in changed}
        print(json.dumps({"problems": [], "changed": kept, "started": started, "notes": notes, "next": steps}))
        return
    if not changed:
        say("no file was changed")
    for step in steps or [NEXT.format(f" --reply {options.reply}" if options.reply else "")]:
        say(step)
