"""The image and the compose file pass their linters, and name only what the programs have."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.installation.environment import PACKAGED, parse_environment
from api.settings import DEFAULTS, parse_settings
from dnsfilter.config.load import default_config
from dnsfilter.worker.privileges import DEFAULT_USER
from tests.meta.project import PACKAGES, PROJECT, pyproject
from tests.support.components import component
from tests.support.deployed import api_paths, node_status, parse_command
from tests.support.dockerfile import DOCKERFILE, image_users, stages

COMPOSE = DOCKERFILE.with_name("compose.yaml")
DEPLOY = PROJECT / "deploy"
SYSTEMD = DEPLOY / "systemd"
OWN = ("resolver", "control-plane")
SERVICES = (*OWN, "unbound", "prometheus", "alertmanager", "grafana")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Return the services as Compose reads them."""
    compose = component("docker-compose")
    given = replace(compose, env={**compose.env, "DNSFILTER_VERSION": "0.1.0"})
    done = given.run("--file", str(COMPOSE), "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)["services"]
    assert set(read) == set(SERVICES)
    return dict(read)


def mounts(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["target"]: mount for mount in service["volumes"]}


def answered(url: str) -> str:
    """Return which program answers the URL of a health check: the port decides."""
    parts = urlsplit(url)
    node = default_config().metrics_listen
    if (parts.hostname, parts.port) == (str(node.address), node.port):
        assert node_status(parts.path) == 200
        return "resolver"
    assert parts.netloc == DEFAULTS["listen"]
    assert parts.path in api_paths()
    return "control-plane"


def test_hadolint_accepts_the_dockerfile() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_the_users_of_the_package() -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.sysusers").read_text().splitlines()]
    assert set(image_users()) == {row[1] for row in rows if row[0] == "u"}
    added = {words[-1]: words for words in stages()[""].commands() if words[0] == "useradd"}
    members = [(row[1], row[2]) for row in rows if row[0] == "m"]
    assert members
    for user, group in members:
        assert added[user][added[user].index("--groups") + 1] == group


def test_the_image_has_the_directories_of_the_package() -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.tmpfiles").read_text().splitlines()]
    wanted = {row[1]: (int(row[2], 8), row[3], row[4]) for row in rows if row and row[0] == "d"}
    made = {
        words[-1]: (int(words[words.index("-m") + 1], 8), words[words.index("-o") + 1], words[words.index("-g") + 1])
        for words in stages()[""].commands()
        if words[:2] == ["install", "-d"]
    }
    assert made == wanted


def test_the_image_starts_the_resolver_without_root() -> None:
    last = stages()[""]
    assert last.all("USER") == [str(image_users()[DEFAULT_USER])]
    options = parse_command(last.command())
    assert options.config == Path("/etc/dnsfilter/dnsfilter.toml")


def test_the_image_names_the_ports_of_the_programs() -> None:
    config = default_config()
    dns = config.listen[0].port
    tcp = [config.metrics_listen.port, *(int(DEFAULTS[key].rpartition(":")[2]) for key in ("listen", "metrics_listen"))]
    (exposed,) = stages()[""].all("EXPOSE")
    assert sorted(exposed.split()) == sorted([f"{dns}/udp", f"{dns}/tcp", *(f"{port}/tcp" for port in tcp)])


def test_health_checks_ask_the_program_that_they_check(services: dict[str, dict[str, Any]]) -> None:
    (check,) = stages()[""].all("HEALTHCHECK")
    (of_image,) = re.findall(r"urlopen\('(\S+?)'", check)
    (of_api,) = re.findall(r"urlopen\('(\S+?)'", " ".join(services["control-plane"]["healthcheck"]["test"]))
    assert (answered(of_image), answered(of_api)) == ("resolver", "control-plane")
    assert "healthcheck" not in services["resolver"]


def test_the_last_stage_has_no_compiler() -> None:
    compilers = {"gcc", "libc6-dev", "python3-dev"}
    installed = {
        name: {word for words in stage.commands() if "install" in words for word in words}
        for name, stage in stages().items()
    }
    assert compilers <= installed["build"]
    assert not compilers & installed[""]
    assert stages()[""].all("COPY") == ["--from=build /opt/dnsfilter /opt/dnsfilter"]


def test_the_context_has_everything_that_is_built() -> None:
    kept = {
        line.removeprefix("!")
        for line in DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert {*PACKAGES, "pyproject.toml", "setup.py", pyproject()["project"]["readme"], "*.lock", "*.whl"} <= kept
    (build,) = (run for run in stages()["build"].all("RUN") if "pip" in run)
    locks = re.findall(r"-r (\S+)", build)
    assert locks == ["requirements.lock", "requirements-postgresql.lock"]
    assert all((PROJECT / lock).exists() for lock in locks)


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_restricted(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    restricted = {"network_mode": "host", "read_only": True, "cap_drop": ["ALL"]}
    assert service.items() >= restricted.items()
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert ("cap_add" in service, service.get("user") == "root") == (name == "resolver", name == "resolver")


def test_the_control_plane_starts_as_its_user_by_the_packages_settings(services: dict[str, dict[str, Any]]) -> None:
    service = services["control-plane"]
    assert service["user"] in image_users()
    assert parse_command(service["command"]).create
    text = (SYSTEMD / "api.env").read_text()
    settings = parse_settings({}, parse_environment(text))
    assert set(mounts(service)) == {str(PACKAGED.parent), str(settings.state_dir)}
    guide = (PROJECT / "docs/tasks/containers.md").read_text()
    unmounted = guide[guide.index("For files\n  elsewhere") :].partition("\n- ")[0]
    named = map(Path, re.findall(r"/(?:etc|mnt|run|var)/[\w./-]+", text))
    outside = {str(path.parent) for path in named if not any(path.is_relative_to(mount) for mount in mounts(service))}
    assert all(directory in unmounted for directory in outside)
    assert service["environment"] == {"DNSFILTER_TOKEN_FILE": str(settings.token_path)}


def test_the_resolver_finds_configuration_and_state(services: dict[str, dict[str, Any]]) -> None:
    found = mounts(services["resolver"])
    options = parse_command(stages()[""].command())
    assert found[str(options.config.parent)]["read_only"] is True
    state = str(default_config().state_dir)
    assert found[state]["source"] == mounts(services["control-plane"])[state]["source"]


def test_mounted_files_are_in_the_project_or_described(services: dict[str, dict[str, Any]]) -> None:
    sources = [
        Path(mount["source"])
        for service in services.values()
        for mount in service["volumes"]
        if mount["type"] == "bind"
    ]
    own = [source for source in sources if source.is_relative_to(DEPLOY)]
    assert own
    assert all(source.exists() for source in own)
    guide = (PROJECT / "docs/tasks/containers.md").read_text()
    text = COMPOSE.read_text()
    others = set(re.findall(r"(?:source: |file: )(/etc/dnsfilter/[\w.-]+)", text))
    assert others
    assert all(name in guide for name in (*others, str(PACKAGED)))


def test_monitoring_listens_where_its_files_say(services: dict[str, dict[str, Any]]) -> None:
    source = (DEPLOY / "grafana/provisioning/datasources/dnsfilter.yaml").read_text()
    assert f"url: http://{_flag(services, 'prometheus', 'web.listen-address')}\n" in source
    targets = re.findall(r'targets: \["(\S+)"\]', (DEPLOY / "prometheus/prometheus.yml").read_text())
    assert _flag(services, "alertmanager", "web.listen-address") in targets
    provider = (DEPLOY / "grafana/provisioning/dashboards/dnsfilter.yaml").read_text()
    (path,) = re.findall(r"path: (\S+)", provider)
    assert mounts(services["grafana"])[path]["source"] == str(DEPLOY / "grafana/dashboards")
    for name in ("prometheus", "alertmanager"):
        file = Path(_flag(services, name, "config.file"))
        mounted = mounts(services[name])
        assert str(file) in mounted or (Path(mounted[str(file.parent)]["source"]) / file.name).exists()


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_monitoring_has_only_flags_that_its_program_knows(services: dict[str, dict[str, Any]], name: str) -> None:
    done = component(name).run("--help")
    known = set(re.findall(r"--(?:\[no-\])?([\w.-]+)", done.stdout + done.stderr))
    given = [re.split("[ =]", word.removeprefix("--"))[0] for word in services[name]["command"]]
    assert given
    assert set(given) <= known


def test_unbound_listens_on_the_port_of_its_configuration(services: dict[str, dict[str, Any]]) -> None:
    (port,) = re.findall(r"interface: 127\.0\.0\.1@(\d+)", (DEPLOY / "unbound/dnsfilter.conf").read_text())
    assert stages()["unbound"].all("EXPOSE") == [f"{port}/udp {port}/tcp"]
    assert services["unbound"]["build"]["target"] == "unbound"
    (user,) = stages()["unbound"].all("USER")
    assert services["unbound"]["tmpfs"] == [f"/run:uid={user},mode=0700"]


def _flag(services: dict[str, dict[str, Any]], name: str, flag: str) -> str:
    (value,) = (word.split("=", 1)[1] for word in services[name]["command"] if word.startswith(f"--{flag}="))
    return str(value)
