"""The role writes files that the programs accept, where the package has them, and uses units that exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml  # type: ignore[import-untyped]

from api.installation.environment import PACKAGED, parse_environment
from api.settings import parse_settings
from dnsfilter import __version__
from dnsfilter.config.load import load_config
from dnsfilter.control.identity import IDENTITY
from dnsfilter.telemetry.notify import SERVING
from tests.meta.project import PROJECT
from tests.support.certificates import Authority
from tests.support.deployed import parse_command

ROLE = PROJECT / "deploy" / "ansible" / "roles" / "dnsfilter"
SYSTEMD = PROJECT / "deploy" / "systemd"
CONFIG = "/etc/dnsfilter/dnsfilter.toml"
Task = dict[str, Any]


def read(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text())


DEFAULTS: Mapping[str, Any] = read("defaults/main.yml")
OPTIONS: Mapping[str, Any] = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
NEEDED = {
    "dnsfilter_package": "dnsfilter.deb",
    "dnsfilter_listen": ["192.0.2.53:53", "[2001:db8::53]:53"],
    "dnsfilter_upstreams": ["198.51.100.1"],
}


def tasks() -> list[Task]:
    return list(read("tasks/main.yml"))


def arguments(module: str) -> dict[str, Any]:
    """Return the arguments of each task with that module, by the task's name."""
    return {task["name"]: task[key] for task in tasks() for key in task if key == f"ansible.builtin.{module}"}


def rendered(template: str, **given: object) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    environment.filters |= {"to_json": json.dumps, "combine": lambda one, other: {**one, **other}}
    text = (ROLE / "templates" / template).read_text()
    return environment.from_string(text).render({**DEFAULTS, **NEEDED, "ansible_managed": "managed", **given})


def test_every_variable_is_described_and_has_a_default_or_is_needed() -> None:
    needed = {name for name, option in OPTIONS.items() if option.get("required")}
    assert set(DEFAULTS) | needed == set(OPTIONS)
    assert needed == set(NEEDED)
    used = {
        word
        for path in (*ROLE.rglob("*.j2"), ROLE / "tasks/main.yml")
        for word in re.findall(r"\bdnsfilter_\w+", path.read_text())
    }
    assert used - {task.get("register") for task in tasks()} == set(OPTIONS)
    plays = yaml.safe_load((ROLE.parents[1] / "site.yml").read_text())
    given = {key for play in plays for role in play["roles"] for key in role} - {"role"}
    assert given <= set(OPTIONS)


def test_the_resolver_accepts_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dnsfilter.toml"
    file.write_text(rendered("dnsfilter.toml.j2"))
    config = load_config(file, tmp_path / "resolv.conf")
    packaged = load_config(SYSTEMD / "dnsfilter.toml", _resolv_conf(tmp_path))
    assert config.control_plane == packaged.control_plane
    assert (config.state_dir, config.metrics_listen) == (packaged.state_dir, packaged.metrics_listen)
    authority = Authority(tmp_path)
    file.write_text(
        rendered(
            "dnsfilter.toml.j2",
            dnsfilter_zones=[{"suffix": "corp.example", "servers": ["192.0.2.10"]}],
            dnsfilter_configuration='[clients]\nunregistered = "resolve"\nallowed = ["192.0.2.0/24"]\n',
            dnsfilter_control_plane_url="https://control.example.org",
            dnsfilter_site="office",
            dnsfilter_key="0" * 64,
            dnsfilter_ca=str(authority.ca),
        )
    )
    complete = load_config(file, tmp_path / "resolv.conf")
    control = complete.control_plane
    assert (control.url, control.site, control.ca) == ("https://control.example.org", "office", authority.ca)
    assert len(complete.zones) == len(packaged.zones) + 1


def _resolv_conf(directory: Path) -> Path:
    (directory / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    return directory / "resolv.conf"


def test_the_control_plane_accepts_its_settings() -> None:
    packaged = parse_settings({}, parse_environment((SYSTEMD / "api.env").read_text()))
    own = parse_environment(rendered("api.env.j2"))
    assert parse_settings({}, own) == packaged
    given = {"DNSFILTER_API_DATABASE": "postgresql+psycopg://a:b%22$'\\@db/dnsfilter", "DNSFILTER_API_ALLOW_PLAIN": ""}
    found = parse_environment(rendered("api.env.j2", dnsfilter_api_settings=given))
    assert found == own | given
    assert parse_settings({}, found).database == given["DNSFILTER_API_DATABASE"]


def test_files_have_the_owners_and_modes_of_the_package() -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.tmpfiles").read_text().splitlines()]
    packaged = {row[1]: tuple(row[2:5]) for row in rows if row and not row[0].startswith("#")}
    written = {each["dest"]: each for each in arguments("template").values()}
    assert set(written) == {CONFIG, str(PACKAGED)}
    for each in (*written.values(), *arguments("file").values()):
        path = each.get("dest") or each["path"]
        if each.get("state") != "link":
            assert (each["mode"], each["owner"], each["group"]) == packaged[path]


def test_secrets_are_not_printed() -> None:
    printed = {task["name"]: (task.get("no_log"), task.get("diff")) for task in tasks()}
    assert printed["Hand over the one-time token"][0] is True
    assert printed["Configure the control plane"][1] is False


def test_the_token_is_where_the_node_reads_it(tmp_path: Path) -> None:
    config = load_config(SYSTEMD / "dnsfilter.toml", _resolv_conf(tmp_path))
    token = arguments("copy")["Hand over the one-time token"]
    assert token["dest"] == str(config.control_plane.token)
    assert arguments("stat")["Look for the identity of an enrolled node"]["path"] == str(config.node_dir / IDENTITY)


def test_groups_and_units_are_those_of_the_package() -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.sysusers").read_text().splitlines()]
    assert {each["name"] for each in arguments("group").values()} <= {row[1] for row in rows if row[0] == "u"}
    named = {each["name"] for each in arguments("systemd_service").values()}
    assert named == {"dnsfilter.service", "dnsfilter-api.service"}
    (masked,) = (each for each in arguments("file").values() if each["state"] == "link")
    assert all((SYSTEMD / unit).exists() for unit in (*named, Path(masked["path"]).name))


def test_a_faulty_configuration_is_not_installed() -> None:
    shell, option, script = shlex.split(arguments("template")["Configure the resolver"]["validate"] % "NEW")
    assert (shell, option) == ("sh", "-c")
    install, check = map(shlex.split, script.split("&&"))
    assert install[:-2] == ["install", "-g", "dnsfilter", "-m", "0640"]
    assert (install[-2], install[-1]) == ("NEW", str(parse_command(check).config))


def test_the_resolver_must_run_the_version_of_the_package() -> None:
    (check,) = arguments("assert").values()
    passes = jinja2.Environment().compile_expression(check["that"])
    for text, passing in ((SERVING, True), (f"{SERVING}; configuration not reloaded", False), ("", False)):
        status = {"StatusText": text.removeprefix("STATUS=")}
        facts = {"packages": {"dnsfilter": [{"version": __version__}]}}
        assert passes(dnsfilter_result={"status": status}, ansible_facts=facts) is passing


def test_a_resolver_of_another_version_is_upgraded_and_not_reloaded() -> None:
    by_name = {task["name"]: task for task in tasks()}
    upgrade = by_name["Upgrade a resolver that still runs another version"]
    _active, differs = map(jinja2.Environment().compile_expression, upgrade["when"])
    facts = {"packages": {"dnsfilter": [{"version": __version__}]}}
    serving = SERVING.removeprefix("STATUS=")
    failed = "upgrade failed, version 0.0.1 serves: see its log"
    for text, differing in ((serving, False), (f"{serving}; configuration not reloaded", False), (failed, True)):
        assert differs(dnsfilter_resolver={"status": {"StatusText": text}}, ansible_facts=facts) is differing
    assert by_name["Start the resolver"]["when"] == f"{upgrade['register']} is skipped"


def test_the_last_check_waits_for_the_end_of_an_upgrade() -> None:
    (until,) = (task["until"] for task in tasks() if "until" in task)
    environment = jinja2.Environment()
    environment.tests["skipped"] = lambda result: result.get("skipped", False)
    ends = environment.compile_expression(until)
    before = {"status": {"StateChangeTimestampMonotonic": "1"}}
    for skipped, state, changed, ending in (
        (True, "active", "1", True),
        (False, "active", "1", False),
        (False, "reloading", "2", False),
        (False, "active", "3", True),
        (False, "failed", "3", True),
    ):
        after = {"status": {"ActiveState": state, "StateChangeTimestampMonotonic": changed}}
        given = {"dnsfilter_upgrade": {"skipped": skipped}, "dnsfilter_resolver": before, "dnsfilter_result": after}
        assert ends(**given) is ending


@pytest.mark.slow
def test_ansible_lint_finds_no_fault(tmp_path: Path) -> None:
    # Without --profile, because no profile has the rule that checks the arguments of modules.
    programs = Path(sys.executable).parent
    environment = os.environ | {"ANSIBLE_HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [programs / "ansible-lint", "--offline", "--strict", "."],
        cwd=ROLE.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
