"""The program nft: arguments, input, and errors that say what to do."""

from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.firewall import nft_command
from dnsfilter.firewall.nft_command import Nft


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nft_command, "_SYSTEM", ())
    return tmp_path


def install(directory: Path, script: str) -> None:
    path = directory / "nft"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_missing_program_is_named_with_its_package(programs: Path) -> None:
    with pytest.raises(UnavailableError, match="apt-get install nftables"):
        Nft()


def test_the_text_is_one_input(programs: Path) -> None:
    install(programs, f'echo "$@" >{programs}/arguments; cat >{programs}/input')
    Nft().apply("table inet dnsfilter\n")
    assert (programs / "arguments").read_text() == "-f -\n"
    assert (programs / "input").read_text() == "table inet dnsfilter\n"


def test_a_refusal_of_the_kernel_says_what_is_needed(programs: Path) -> None:
    install(programs, "echo 'Error: Could not process rule: Operation not permitted' >&2; exit 1")
    with pytest.raises(UnavailableError, match=r"not permitted \(this needs root or the capability CAP_NET_ADMIN\)"):
        Nft().apply("")


@pytest.mark.parametrize(("code", "listed"), [(0, "table inet dnsfilter\n"), (1, None)])
def test_the_table_is_listed_with_its_elements(programs: Path, code: int, listed: str | None) -> None:
    install(programs, f'[ "$*" = "--stateless list table inet dnsfilter" ] && echo table inet dnsfilter; exit {code}')
    assert Nft().listed() == listed
