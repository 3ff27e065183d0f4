"""`dnsfilter firewall`: options, and what it prints."""

from pathlib import Path

import pytest

from dnsfilter.firewall.other_firewalls import SYNTAXES
from tests.unit.cli.test_main import EXAMPLE, config, run

__all__ = ["config"]


def listening(config: Path, *addresses: str) -> None:
    config.write_text(config.read_text().replace('"127.0.0.1:5300"', ", ".join(f'"{each}"' for each in addresses)))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_prints_banned_networks_and_resolvers(config: Path, capsys: pytest.CaptureFixture[str], syntax: str) -> None:
    assert run("firewall", "--print", syntax, "--config", config, "--policy", EXAMPLE, "--resolver", "192.0.2.7") == 0
    said = capsys.readouterr().out
    assert "192.0.2.7" in said
    assert "127.0.5.0" in said  # Ghent enforces
    assert "127.0.8.0" not in said  # Diest only monitors
    assert "71.18.1.0" not in said


def test_prefixes_of_bytedance_are_printed_on_request(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--policy", EXAMPLE, "--resolver", "192.0.2.7", "--bytedance")
    assert run("firewall", "--print", "pf", "--config", config, *options) == 0
    assert "71.18.1.0/24" in capsys.readouterr().out


def test_own_addresses_are_resolvers(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listening(config, "192.0.2.54:53", "[2001:db8::53]:53", "127.0.0.1:53")
    assert run("firewall", "--print", "pf", "--config", config, "--policy", EXAMPLE) == 0
    assert "table <dnsfilter-resolvers> const { 192.0.2.54 2001:db8::53 }\n" in capsys.readouterr().out


def test_rules_without_any_resolver_are_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("firewall", "--print", "pf", "--config", config, "--policy", EXAMPLE) == 2
    assert "--resolver: the node listens on no address of its own" in capsys.readouterr().err


def test_redirection_needs_an_address_of_the_node(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("firewall", "--watch", "--redirect", "--config", config) == 2
    assert "--redirect: the node listens only on loopback" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["192.0.2.0/24", "::", "somewhere"])
def test_a_resolver_is_an_address(address: str, config: Path) -> None:
    assert run("firewall", "--print", "pf", "--config", config, "--policy", EXAMPLE, "--resolver", address) == 2
