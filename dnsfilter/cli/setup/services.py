"""Make the installation, start both services and register what the policy file holds, by the programs for it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dnsfilter.cli.options import program_path
from dnsfilter.cli.setup.answers import Answers, Network
from dnsfilter.config.node_config import Config
from dnsfilter.control.identity import IDENTITY
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.terminal import say

UNITS = ("dnsfilter-api", "dnsfilter")
START = f"systemctl enable --now {' '.join(UNITS)}"
_BOOTED = Path("/run/systemd/system")
"""Exists if systemd runs this machine (sd_booted(3))."""
_MASK = Path(f"/etc/systemd/system/{UNITS[0]}.service")
_NOT_REACHABLE = 4
"""Exit code of dnsfilterctl if the control plane does not answer."""
_OPTIONS = {"kind": "--kind", "time_zone": "--time-zone", "contact": "--contact"}


def is_only_node() -> bool:
    """Return whether the control plane's unit is masked here, so that the package made no installation."""
    return _MASK.is_symlink() and _MASK.readlink() == Path("/dev/null")


def make_installation(config: Config, *, is_new: bool) -> None:
    """Make database, keys and tokens, or a one-time token for a node that has none. Raise UnavailableError."""
    token = config.control_plane.token
    if is_new:
        _run("make the installation", program_path("dnsfilter-api"), "init")
    elif token is not None and not token.exists() and not (config.node_dir / IDENTITY).exists():
        _run("register the node", program_path("dnsfilter-api"), "enrol-node")


def has_systemd() -> bool:
    """Return whether systemd runs this machine."""
    return _BOOTED.is_dir() and shutil.which("systemctl") is not None


def start_units() -> None:
    """Enable both units, restart the control plane, and start or reload the resolver. Raise UnavailableError."""
    _run("enable the units", "systemctl", "enable", *UNITS)
    _run("start the control plane", "systemctl", "restart", UNITS[0])
    _run("start the resolver", "systemctl", "reload-or-restart", UNITS[1])


@dataclass(frozen=True, slots=True)
class Registration:
    """Registers with the token of the installation if it is there, else with the caller's own."""

    config: Config

    def register(self, answers: Answers, policy: Path) -> bool:
        """Register what is given, or all of the policy file if nothing is registered yet. Raise UnavailableError.

        Return False if the control plane does not answer, and print why.
        """
        done = subprocess.run(self._ctl("authority", "list", "--json"), capture_output=True, text=True, check=False)
        if done.returncode:
            say(done.stderr.strip(), file=sys.stderr)
            if done.returncode != _NOT_REACHABLE:
                raise UnavailableError("register: the control plane refused the request; see above")
            return False
        if not json.loads(done.stdout)["items"]:
            _run(f"register {policy.name}", *self._ctl("policy", "apply", str(policy)))
            return True
        if answers.authority:
            fields = list(_authority_options(answers))
            _run(f"register {answers.slug}", *self._ctl("authority", "set", answers.slug, *fields))
        if answers.networks:
            table = _table(answers.slug, answers.networks)
            _run("register the networks", *self._ctl("range", "import", "-"), stdin=table)
        return True

    def _ctl(self, *arguments: str) -> list[str]:
        command = [program_path("dnsfilterctl"), *arguments]
        control = self.config.control_plane
        if control.url is not None:
            command += ["--api", control.url]
        if control.ca is not None:
            command += ["--ca", str(control.ca)]
        token = self.config.state_dir / "admin-token"
        return [*command, "--token-file", str(token)] if token.exists() else command


def _authority_options(answers: Answers) -> Iterator[str]:
    for key, value in answers.authority.items():
        if key in _OPTIONS:
            yield from (_OPTIONS[key], str(value))
        elif isinstance(value, dict):
            for language, name in value.items():
                yield from ("--name", f"{language}={name}")
        elif isinstance(value, list):
            yield from ("--languages", ",".join(value))


def _table(slug: str, networks: tuple[Network, ...]) -> str:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(("prefix", "authority", "label", "funding", "audience"))
    table.writerows((each.prefix, slug, each.label, each.funding, each.audience) for each in networks)
    return text.getvalue()


def _run(what: str, *command: str, stdin: str = "") -> None:
    """Run a command as root. Print what it prints only if it fails: raise UnavailableError with it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DNSFILTER_API_")}
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        for line in (done.stderr or done.stdout).splitlines()[-10:]:
            say(line)
        raise UnavailableError(f"{what}: {Path(command[0]).name} ended with status {done.returncode}; see above")
