"""The units are accepted by systemd, restrict their processes, and start programs that exist."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from api.ctl.parser import make_parser as make_ctl_parser
from api.installation.environment import parse_environment
from api.manual.programs import manuals
from api.settings import PREFIX, parse_settings
from dnsfilter.config.load import load_config
from dnsfilter.supervisor.sockets import RECEIVE_BUFFER, buffer_advice

PROJECT = Path(__file__).parents[3]
SYSTEMD = PROJECT / "deploy" / "systemd"
UNITS = (
    "dnsfilter.service",
    "dnsfilter-api.service",
    "dnsfilter-firewall.service",
    "dnsfilter-egress.service",
    "dnsfilter-refusal-page.service",
)
MOST_EXPOSED = (2.0, 1.5, 2.0, 2.0, 1.0)
each_unit = pytest.mark.parametrize("unit", UNITS)


def directives(unit: str) -> dict[str, list[str]]:
    """Return every `key=value` of a unit, by key, in order."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / unit).read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: it is part of systemd")
    return path


def verify(unit: str, directory: Path) -> str:
    """Return what systemd says about a unit whose programs exist."""
    for path in (path for path in SYSTEMD.iterdir() if path.is_file()):
        text = re.sub(r"/usr/bin/dnsfilter(?:-api|ctl)?(?=\s)", "/bin/true", path.read_text())
        (directory / path.name).write_text(text)
    command = [tool("systemd-analyze"), "verify", "--man=no", str(directory / unit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


@pytest.mark.parametrize(
    "unit", [*UNITS, "dnsfilter-refusal-page.socket", "dnsfilter-backup.service", "dnsfilter-backup.timer"]
)
def test_the_documentation_of_a_unit_is_in_the_package(unit: str) -> None:
    man, file = directives(unit)["Documentation"][0].split()
    assert man.removeprefix("man:") in [f"{each.program.name}({each.chapter})" for each in manuals()]
    page = re.fullmatch(r"file:/usr/share/doc/dnsfilter/html/(.*)\.html", file)
    assert page is not None
    assert (PROJECT / "docs" / f"{page[1]}.md").exists()


@each_unit
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    assert verify(unit, tmp_path) == ""


def test_no_stop_removes_local_suspensions_from_shared_memory() -> None:
    removing = {unit for unit in UNITS if "yes" in directives(unit).get("RemoveIPC", [])}
    assert not any(directives(unit)["User"] == directives("dnsfilter.service")["User"] for unit in removing)


@pytest.mark.parametrize(("unit", "most"), [*zip(UNITS, MOST_EXPOSED, strict=True)])
def test_exposure_stays_low(unit: str, most: float) -> None:
    threshold = f"--threshold={round(most * 10)}"
    command = [tool("systemd-analyze"), "security", "--offline=yes", "--no-pager", threshold, str(SYSTEMD / unit)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout[-200:]


def test_resolver_may_bind_low_ports_and_nothing_else() -> None:
    resolver = directives("dnsfilter.service")
    assert resolver["CapabilityBoundingSet"] == resolver["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]
    assert "PrivateUsers" not in resolver


@pytest.mark.parametrize("unit", ["dnsfilter-firewall.service", "dnsfilter-egress.service"])
def test_firewall_may_change_the_network_and_nothing_else(unit: str) -> None:
    firewall = directives(unit)
    assert firewall["CapabilityBoundingSet"] == firewall["AmbientCapabilities"] == ["CAP_NET_ADMIN"]
    assert "PrivateUsers" not in firewall
    assert "ReadWritePaths" not in firewall


def test_a_restart_of_the_firewall_sends_another_signal_than_a_stop() -> None:
    # tests/integration/test_firewall.py tries what the program does at each.
    firewall = directives("dnsfilter-firewall.service")
    assert firewall["RestartKillSignal"] == ["SIGHUP"]
    assert "KillSignal" not in firewall
    assert firewall["KillMode"] == ["mixed"]  # else a stop ends the call of nft that removes the table


@pytest.mark.parametrize("unit", ["dnsfilter-api.service", "dnsfilter-refusal-page.service"])
def test_control_plane_and_refusal_page_have_no_capability(unit: str) -> None:
    found = directives(unit)
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == [""]


def test_the_refusal_page_gets_its_port_from_systemd_and_reaches_no_network() -> None:
    assert directives("dnsfilter-refusal-page.socket")["ListenStream"][-1] == "80"
    page = directives("dnsfilter-refusal-page.service")
    assert page["PrivateNetwork"] == ["yes"]
    assert "ReadWritePaths" not in page


@pytest.mark.parametrize("unit", ["dnsfilter.service", "dnsfilter-api.service"])
def test_unit_is_started_when_its_process_notifies(unit: str) -> None:
    found = directives(unit)
    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["main"])


@each_unit
def test_every_setting_of_a_service_has_its_reason(unit: str) -> None:
    """A comment stands above each setting, or above the first of several that begin with the same word."""
    service = (SYSTEMD / unit).read_text().partition("\n[Service]\n")[2].partition("\n[Install]")[0].splitlines()
    without = [
        line
        for before, line in zip(["", *service], service, strict=False)
        if line and not line.startswith("#") and not before.startswith("#") and not same_matter(before, line)
    ]
    assert without == []


def same_matter(before: str, line: str) -> bool:
    """Return whether two settings share a comment: those of a user, a capability, or one name with a suffix."""
    first, second = before.partition("=")[0], line.partition("=")[0]
    pairs = {("User", "Group"), ("CapabilityBoundingSet", "AmbientCapabilities"), ("Type", "NotifyAccess")}
    return (first, second) in pairs or (first != "" and second.startswith(first))


def test_migration_of_the_database_has_no_time_limit() -> None:
    assert directives("dnsfilter-api.service")["TimeoutStartSec"] == ["infinity"]


@pytest.mark.parametrize("unit", ["dnsfilter.service", "dnsfilter-firewall.service"])
def test_unit_starts_without_the_other_units(unit: str) -> None:
    resolver = directives(unit)
    ordering = [value for key in ("Requires", "Wants", "After", "BindsTo", "PartOf") for value in resolver.get(key, [])]
    assert not any("dnsfilter" in value for value in ordering)
    assert resolver["StartLimitIntervalSec"] == ["0"]


@each_unit
def test_unit_starts_an_entry_point_of_the_distribution(unit: str) -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    found = directives(unit)
    reload = [command for command in found.get("ExecReload", []) if not command.startswith("/usr/bin/kill")]
    for command in found["ExecStart"] + found.get("ExecStartPre", []) + reload:
        program = Path(command.removeprefix("-").split()[0])
        assert program.parent == Path("/usr/bin")
        assert program.name in scripts


@each_unit
def test_unit_runs_as_a_user_of_sysusers(unit: str) -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.sysusers").read_text().splitlines()]
    users = {row[1] for row in rows if row and row[0] == "u"}
    found = directives(unit)
    assert {*found["User"], *found["Group"], *found.get("SupplementaryGroups", [])} <= users


def test_user_of_the_control_plane_is_in_the_resolvers_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [tool("systemd-sysusers"), f"--root={tmp_path}", str(SYSTEMD / "dnsfilter.sysusers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert groups["dnsfilter"] == "dnsfilter-api"


def test_systemd_accepts_every_line_of_tmpfiles(tmp_path: Path) -> None:
    program = tool("systemd-tmpfiles")
    if "--dry-run" not in subprocess.run([program, "--help"], capture_output=True, text=True).stdout:
        pytest.skip("this systemd-tmpfiles has no --dry-run; version 256 has it")
    (tmp_path / "etc").mkdir()
    subprocess.run([tool("systemd-sysusers"), f"--root={tmp_path}", str(SYSTEMD / "dnsfilter.sysusers")], check=True)
    command = [program, f"--root={tmp_path}", "--create", "--dry-run", str(SYSTEMD / "dnsfilter.tmpfiles")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_example_configuration_is_accepted(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.1\n")
    config = load_config(SYSTEMD / "dnsfilter.toml", resolv_conf)
    assert config.state_dir == Path("/var/lib/dnsfilter")
    assert config.metrics_listen.port == 9153
    assert config.default_listen  # so that the installation ends with a resolver also without IPv6
    environ = parse_environment((SYSTEMD / "api.env").read_text())
    assert config.control_plane.url == f"http://{environ[PREFIX + 'LISTEN']}"
    assert config.control_plane.token == parse_settings({}, environ).enrolment_token_path


def test_example_environment_is_accepted_and_fits_the_resolver() -> None:
    environ = parse_environment((SYSTEMD / "api.env").read_text())
    assert all(key.startswith(PREFIX) for key in environ)
    settings = parse_settings({}, environ)
    assert settings.snapshot_dir == Path("/var/lib/dnsfilter/snapshots")
    assert settings.metrics_listen.port == 9154
    # The resolver's user cannot make files here, unlike in the shared directory above.
    alone = Path("/var/lib/dnsfilter/api")
    assert (settings.snapshot_key.parent, settings.checkpoint_key.parent) == (alone, alone)
    assert settings.database == f"sqlite:///{alone / 'dnsfilter.sqlite3'}"
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.tmpfiles").read_text().splitlines()]
    assert ["d", str(alone), "0700", "dnsfilter-api", "dnsfilter-api", "-"] in rows


@pytest.mark.parametrize("path", ["", "/snapshots", "/api", "/node"])
def test_directories_of_the_examples_are_made(path: str) -> None:
    rows = [line.split() for line in (SYSTEMD / "dnsfilter.tmpfiles").read_text().splitlines()]
    assert f"/var/lib/dnsfilter{path}" in {row[1] for row in rows if row and row[0] == "d"}


def test_configured_receive_buffer_is_large_enough() -> None:
    (line,) = [line for line in (SYSTEMD / "dnsfilter.sysctl").read_text().splitlines() if not line.startswith("#")]
    key, value = line.split(" = ")
    assert key == "net.core.rmem_max"
    assert int(value) >= RECEIVE_BUFFER
    assert buffer_advice(2 * int(value)) is None  # the kernel doubles the requested size (socket(7))


def test_reload_waits_for_the_supervisor_and_the_watchdog_is_on() -> None:
    resolver = directives("dnsfilter.service")
    assert resolver["ExecReload"] == [resolver["ExecStart"][0].replace(" serve ", " reload ")]
    assert int(resolver["WatchdogSec"][0]) > 0


BACKUP = "dnsfilter-backup.service"


def test_backup_has_no_privilege_and_no_token_on_its_command_line() -> None:
    found = directives(BACKUP)
    assert found["DynamicUser"] == ["yes"]
    assert found["CapabilityBoundingSet"] == [""]
    (command,) = found["ExecStart"]
    assert "--token-file ${CREDENTIALS_DIRECTORY}/token" in command
    assert found["LoadCredential"] == ["token:/etc/dnsfilter/backup-token"]


def test_backup_command_is_one_of_dnsfilterctl_and_is_started_by_the_timer() -> None:
    (command,) = directives(BACKUP)["ExecStart"]
    words = command.replace("$OPTIONS", "--recipient age1example").split()
    options = make_ctl_parser().parse_args(words[1:])
    assert options.file == Path("${STATE_DIRECTORY}/dnsfilter-today.backup")
    assert directives("dnsfilter-backup.timer")["WantedBy"] == ["timers.target"]


def test_file_of_events_in_the_example_is_in_a_directory_of_the_unit() -> None:
    found, example = directives("dnsfilter-api.service"), (SYSTEMD / "api.env").read_text()
    (path,) = re.findall(r"^#DNSFILTER_API_EVENTS_FILE=(.+)$", example, re.MULTILINE)
    assert [str(Path(path).parent)] == [f"/var/log/{name}" for name in found["LogsDirectory"]]


def test_backup_is_left_out_without_its_token() -> None:
    found = directives(BACKUP)
    assert [f"token:{path}" for path in found["ConditionPathExists"]] == found["LoadCredential"]


@pytest.mark.parametrize("unit", [BACKUP, "dnsfilter-backup.timer"])
def test_systemd_accepts_the_backup_and_its_exposure_is_low(unit: str, tmp_path: Path) -> None:
    assert verify(unit, tmp_path) == ""
    if unit == BACKUP:
        analyze = tool("systemd-analyze")
        security = [analyze, "security", "--offline=yes", "--no-pager", "--threshold=15", str(SYSTEMD / unit)]
        assert subprocess.run(security, capture_output=True, timeout=60).returncode == 0
