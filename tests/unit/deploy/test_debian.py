"""The Debian package's control files fit the units, the release script and the guide. tests/packaging installs it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.documents import commands, tasks, text

PROJECT = Path(__file__).parents[3]
DEBIAN = PROJECT / "deploy" / "debian"
SYSTEMD = PROJECT / "deploy" / "systemd"
INSTALL = "docs/tasks/install.md"
RELEASE = (PROJECT / "scripts" / "release").read_text()
PROCESSES = ("dnsfilter.service", "dnsfilter-api.service")
"""The units that the package starts."""


@pytest.mark.parametrize("name", ["preinst", "postinst", "prerm", "postrm"])
def test_a_script_is_one_that_dash_can_read(name: str) -> None:
    assert (DEBIAN / name).read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", DEBIAN / name], check=True)


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_a_script_acts_on_every_unit_but_those_that_another_one_starts(name: str) -> None:
    units = {path.name for pattern in ("*.service", "*.socket", "*.timer") for path in SYSTEMD.glob(pattern)}
    named = set(re.findall(r"dnsfilter[a-z-]*\.(?:service|socket|timer)", (DEBIAN / name).read_text()))
    # A stop or restart of the socket does the same to its service, which requires it.
    assert named == units - {"dnsfilter-backup.service", "dnsfilter-refusal-page.service"}


def test_the_package_asks_for_nothing_but_debians_python_and_systemd() -> None:
    fields = dict(line.split(": ", 1) for line in (DEBIAN / "control").read_text().splitlines() if line[0] != " ")
    packages = re.findall(r"(?:^|, )([a-z0-9-]+)", fields["Depends"])
    assert set(packages) == {"python3", "systemd", "init-system-helpers"}
    # apt would try to fetch recommended packages, and fail without a network.
    assert "Recommends" not in fields


def test_configuration_files_are_those_of_the_units() -> None:
    listed = (DEBIAN / "conffiles").read_text().split()
    units = "".join((SYSTEMD / unit).read_text() for unit in PROCESSES)
    assert listed == sorted(set(re.findall(r"/etc/dnsfilter/[a-z.]+", units)))
    assert [Path(path).name for path in listed if not (SYSTEMD / Path(path).name).exists()] == []


def test_the_tasks_and_the_package_install_the_same_files_with_the_same_modes() -> None:
    guide = {
        (words[words.index("-m") + 1], word, words[-1].rstrip("/"))
        for page in tasks()
        for words in commands(page)
        if words[0] == "install" and "deploy/systemd/" in " ".join(words)
        # For containers each file has its own line.
        if not words[-1].startswith("/etc/dnsfilter/")
        for word in words
        if word.startswith("deploy/systemd/")
    }
    lines = [line.split() for line in RELEASE.splitlines() if re.match(r" +install .*\$units", line)]
    package = {
        (words[words.index("-m") + 1], source, target)
        for words in lines
        for word in words
        if "$units" in word
        for source in sources(word.strip('"'))
        for target in [words[-1].strip('"').replace("$lib", "/usr/lib").replace("$stage", "")]
    }
    assert package == guide


def sources(word: str) -> list[str]:
    """Return the files of the project that a word of the release script means."""
    pattern = word.replace('"', "").replace("$units", "deploy/systemd")
    return [str(path.relative_to(PROJECT)) for path in PROJECT.glob(pattern)]


def test_users_of_the_units_are_those_of_the_guides_table() -> None:
    table = text(INSTALL).partition("Two processes are installed:")[2].partition("To undo:")[0]
    rows = re.findall(r"^\| `([a-z-]+\.service)`[^|]*\| `([a-z-]+)` \| `([^`]+)` \|", table, re.MULTILINE)
    found = [
        (
            path.name,
            re.findall(r"^User=(.+)$", path.read_text(), re.MULTILINE)[0],
            re.findall(r"/etc/dnsfilter/[a-z.]+", path.read_text())[0],
        )
        for path in map(SYSTEMD.joinpath, PROCESSES)
    ]
    assert sorted(rows) == sorted(found)


@pytest.mark.parametrize("unit", PROCESSES)
def test_paths_and_commands_of_a_unit_stand_in_a_task(unit: str) -> None:
    guide, lines = "".join(map(text, tasks())), (SYSTEMD / unit).read_text().splitlines()
    settings = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    top = {
        "RuntimeDirectory": "/run/",
        "StateDirectory": "/var/lib/",
        "LogsDirectory": "/var/log/",
        "ReadWritePaths": "",
        "EnvironmentFile": "",
    }
    for key, value in settings:
        if key in top:
            assert f"{top[key]}{value}" in guide, key
        if key == "ExecStartPre":
            assert value.removeprefix("-/usr/bin/") in guide
        if key == "ExecStart" and " " in value:
            assert value.split(" --", 1)[1] in guide


def test_programs_of_the_package_are_those_of_the_distribution() -> None:
    scripts = set(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"])
    (linked,) = re.findall(r"for program in ([a-z -]+); do ln -s \"/opt/dnsfilter/bin", RELEASE)
    assert set(linked.split()) == scripts
    kept = set(re.findall(r"! -name ([a-z-]+)", RELEASE))
    assert kept == scripts


def test_the_status_that_an_upgrade_waits_for_is_what_the_resolver_reports() -> None:
    script = (DEBIAN / "postinst").read_text()
    states = (PROJECT / "dnsfilter/telemetry/notify.py").read_text()
    assert '"version $version serves"*' in script
    assert 'f"STATUS=version {__version__} serves"' in states
    assert '"upgrade failed"*' in script
    assert 'f"STATUS=upgrade failed' in states


@pytest.mark.parametrize(
    ("changed", "status", "is_upgraded"),
    [
        ("2", "version 0.1.0 serves", True),
        ("2", "version 0.1.0 serves; a remark", True),
        ("1", "version 0.1.0 serves", False),
        ("2", "upgrade failed, version 0.1.0 serves: its trial ended with status 1", False),
    ],
    ids=["upgraded", "with a remark", "another build of this version still runs", "failed"],
)
def test_a_status_of_before_the_upgrade_does_not_count(changed: str, status: str, is_upgraded: bool) -> None:
    functions = re.findall(
        r"^(?:shown\(\) [^\n]*|upgraded\(\) \{\n.*?^\})$", (DEBIAN / "postinst").read_text(), re.M | re.S
    )
    played = f"""
        sleep() {{ :; }}
        dpkg-query() {{ echo 0.1.0; }}
        asked=1
        systemctl() {{
            case "$*" in
                kill*) asked={changed} ;;
                *StateChange*) echo $asked ;;
                *ActiveState*) echo active ;;
                *StatusText*) echo "{status}" ;;
            esac
        }}
    """
    script = "\n".join((played, *functions, "upgraded"))
    assert (subprocess.run(["bash", "-c", script]).returncode == 0) is is_upgraded


def test_a_failed_installation_puts_the_newest_program_of_a_checkout_back(tmp_path: Path) -> None:
    program, earlier = tmp_path / "dnsfilter", tmp_path / "dnsfilter.20200102T030405Z"
    for directory in (program, earlier):
        directory.mkdir()
        (directory / directory.name).touch()
    run_script("preinst", "install", tmp_path)
    assert not program.exists()
    for _ in range(2):  # the second time there is nothing to put back
        run_script("postrm", "abort-install", tmp_path)
        assert (program / program.name).exists()
        assert earlier.exists()


def run_script(name: str, action: str, opt: Path) -> None:
    """Run a script of the package with this directory as /opt."""
    script = (DEBIAN / name).read_text().replace("/opt/", f"{opt}/")
    subprocess.run(["sh", "-c", script, name, action], check=True)


def test_what_purge_leaves_is_what_the_guide_says() -> None:
    script = (DEBIAN / "postrm").read_text()
    assert "rm -r $state && userdel dnsfilter-api && userdel dnsfilter" in script
    assert "state=/var/lib/dnsfilter\n" in script
    for path in re.findall(r"^(?:state|backups|logs)=(.+)$", script, re.MULTILINE):
        assert f"`{path}`" in text(INSTALL)
