"""Settings of checkpoints: the key file and the destinations."""

from pathlib import Path

import pytest

from api.delivery.destinations import FileDestination, MailDestination, SyslogDestination, Transport
from api.settings import parse_settings
from dnsfilter.errors import ConfigError


def test_the_checkpoint_key_is_in_the_state_directory_and_there_are_no_destinations_by_default(tmp_path: Path) -> None:
    settings = parse_settings({"state_dir": str(tmp_path)}, {})
    assert (settings.checkpoint_key, settings.checkpoint_destinations) == (tmp_path / "checkpoint-key", ())


def test_the_snapshot_key_is_a_separate_file(tmp_path: Path) -> None:
    given = {"state_dir": str(tmp_path)}
    assert parse_settings(given, {}).snapshot_key == tmp_path / "snapshot-key"
    elsewhere = {"DNSFILTER_API_SNAPSHOT_KEY": "/etc/dnsfilter/key"}
    settings = parse_settings(given, elsewhere)
    assert (settings.snapshot_key, settings.checkpoint_key) == (Path("/etc/dnsfilter/key"), tmp_path / "checkpoint-key")
    with pytest.raises(ConfigError, match=r"--snapshot-key: .* is a directory: name a file"):
        parse_settings({**given, "snapshot_key": str(tmp_path)}, {})


def test_each_destination_has_its_own_setting(tmp_path: Path) -> None:
    environ = {
        "DNSFILTER_API_CHECKPOINT_KEY": "/etc/dnsfilter/checkpoint-key",
        "DNSFILTER_API_CHECKPOINT_MAIL": "smtp://192.0.2.25?from=dns@example.org&to=record@example.org",
        "DNSFILTER_API_CHECKPOINT_SYSLOG": "/dev/log",
    }
    given = {"state_dir": str(tmp_path), "checkpoint_file": "held", "checkpoint_syslog": "udp://192.0.2.1"}
    settings = parse_settings(given, environ)
    assert settings.checkpoint_key == Path("/etc/dnsfilter/checkpoint-key")
    assert settings.checkpoint_destinations == (
        FileDestination(Path("held")),
        MailDestination("192.0.2.25", 25, False, "dns@example.org", ("record@example.org",)),
        SyslogDestination(Transport.UDP, "192.0.2.1", 514),
    )


def test_every_fault_is_reported_without_the_password(tmp_path: Path) -> None:
    given = {
        "state_dir": str(tmp_path),
        "checkpoint_key": str(tmp_path),
        "checkpoint_file": str(tmp_path),
        "checkpoint_mail": "smtp://user:secret@192.0.2.25",
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings(given, {"DNSFILTER_API_CHECKPOINT_SYSLOG": "192.0.2.1"})
    assert [problem.location for problem in caught.value.problems] == [
        "--checkpoint-key",
        "--checkpoint-file",
        "--checkpoint-mail",
        "DNSFILTER_API_CHECKPOINT_SYSLOG",
    ]
    assert "secret" not in str(caught.value)
