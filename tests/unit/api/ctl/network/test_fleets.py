"""dnsfilterctl fleet: add, list, show, rotate, end, and the profiles of devices."""

import json
import plistlib
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import DAY, Authority
from tests.unit.api.ctl.conftest import Ctl

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("served")]

PHONES = ("ghent", "phones of staff")


def added(ctl: Ctl) -> str:
    """Add a fleet and return its token."""
    made = ctl("fleet", "add", *PHONES, "--funding", "partly_public", "--audience", "staff", "--json")
    assert made.code == 0, made.err
    token: str = json.loads(made.out)["names"][0]["token"]
    return token


def test_story_of_a_fleet(ctl: Ctl) -> None:
    token = added(ctl)
    assert "phones of staff" in ctl("fleet", "list", "ghent").out
    assert token in ctl("fleet", "show", *PHONES).out
    shown = ctl("explain", "--fleet", PHONES[1], "www.tiktok.com")
    assert shown.code == 0, shown.err
    explained = shown.out
    assert "verdict    refuse" in explained
    assert "no name" not in explained
    assert "fleet phones of staff" in explained
    rotated = json.loads(ctl("fleet", "rotate", *PHONES, "--json").out)["names"]
    assert rotated[0]["token"] == token
    lost = json.loads(ctl("fleet", "rotate", *PHONES, "--lost", "--json").out)["names"]
    assert len(lost) == 3
    assert lost[-1]["end"] is None
    ended = ctl("fleet", "end", *PHONES)
    assert ended.code == 0
    assert "until" in ended.out or "ended" in ended.out
    later = ctl("explain", "--fleet", PHONES[1], "www.tiktok.com", "--at", "2026-12-31")
    assert later.out.startswith("no name of this fleet is valid")


def test_unknown_fleet_names_a_similar_one(ctl: Ctl) -> None:
    added(ctl)
    unknown = ctl("fleet", "show", "ghent", "phones of stuff")
    assert (unknown.code, "Did you mean" in unknown.err) == (2, True)
    assert ctl("fleet", "show", "ghent", "99").code == 2


@pytest.mark.parametrize(
    ("label", "hint"),
    [("phones of stuff", 'Did you mean "phones of staff"?'), ("laptops", "See dnsfilterctl fleet list AUTHORITY.")],
)
def test_explain_helps_with_an_unknown_fleet(ctl: Ctl, label: str, hint: str) -> None:
    added(ctl)
    unknown = ctl("explain", "--fleet", label, "www.tiktok.com")
    assert (unknown.code, hint in unknown.err) == (2, True)


def test_apple_profile_asks_by_the_token(ctl: Ctl, tmp_path: Path) -> None:
    token, file = added(ctl), tmp_path / "phones.mobileconfig"
    asked = ("fleet", "profile", *PHONES, "--for", "apple", "--server", "dns.example.org", "-o", str(file))
    assert ctl(*asked).code == 0
    profile = plistlib.loads(file.read_bytes())
    (payload,) = profile["PayloadContent"]
    assert payload["DNSSettings"] == {"DNSProtocol": "HTTPS", "ServerURL": f"https://dns.example.org/dns-query/{token}"}
    assert ctl(*asked, "--dot", "--address", "192.0.2.53").code == 0
    changed = plistlib.loads(file.read_bytes())
    assert changed["PayloadContent"][0]["DNSSettings"] == {
        "DNSProtocol": "TLS",
        "ServerName": f"{token}.dns.example.org",
        "ServerAddresses": ["192.0.2.53"],
    }
    assert changed["PayloadUUID"] == profile["PayloadUUID"]
    assert file.stat().st_mode & 0o077 == 0


def test_apple_profile_can_be_signed(ctl: Ctl, tmp_path: Path) -> None:
    added(ctl)
    certificate, key, file = (tmp_path / name for name in ("own.pem", "key.pem", "signed.mobileconfig"))
    Authority(tmp_path / "ca").issue(certificate, key)
    signing = ("--sign-certificate", str(certificate), "--sign-key", str(key))
    asked = ("fleet", "profile", *PHONES, "--for", "apple", "--server", "dns.example.org", "-o", str(file))
    done = ctl(*asked, *signing)
    assert done.code == 0, done.err
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-noverify", "-in", str(file)]
    content = subprocess.run(command, check=True, capture_output=True, timeout=20).stdout
    assert plistlib.loads(content)["PayloadType"] == "Configuration"
    assert ctl(*asked, *signing[:2]).code == 2
    assert ctl(*asked, "--sign-certificate", str(key), "--sign-key", str(key)).code == 2


def test_an_expired_certificate_signs_nothing(ctl: Ctl, tmp_path: Path) -> None:
    added(ctl)
    certificate, key, file = (tmp_path / name for name in ("own.pem", "key.pem", "signed.mobileconfig"))
    Authority(tmp_path / "ca").issue(certificate, key, lasting=-DAY)
    signing = ("--sign-certificate", str(certificate), "--sign-key", str(key))
    asked = ("fleet", "profile", *PHONES, "--for", "apple", "--server", "dns.example.org", "-o", str(file))
    done = ctl(*asked, *signing)
    assert (done.code, f"the certificate in {certificate} ended on" in done.err) == (2, True)
    assert not file.exists()


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("android", ["{token}.dns.example.org"]),
        (
            "windows",
            [
                "Add-DnsClientDohServerAddress -ServerAddress 192.0.2.53 "
                "-DohTemplate https://dns.example.org/dns-query/{token} -AllowFallbackToUdp $false -AutoUpgrade $true",
                "Add-DnsClientNrptRule -Namespace . -NameServers 192.0.2.53",
            ],
        ),
    ],
)
def test_lines_for_other_devices(ctl: Ctl, kind: str, lines: list[str]) -> None:
    token = added(ctl)
    asked = ("--for", kind, "--server", "dns.example.org.", "--address", "192.0.2.53")
    printed = ctl("fleet", "profile", *PHONES, *asked)
    assert printed.out.splitlines() == [line.format(token=token) for line in lines]
    assert "Windows" in ctl("fleet", "profile", *PHONES, "--for", "intune", *asked[2:]).out


def test_windows_needs_an_address(ctl: Ctl) -> None:
    added(ctl)
    refused = ctl("fleet", "profile", *PHONES, "--for", "windows", "--server", "dns.example.org")
    assert (refused.code, refused.out, "needs --address" in refused.err) == (2, "", True)


@pytest.mark.parametrize("server", ["192.0.2.53", "https://dns.example.org", "dns"])
def test_the_server_is_a_host_name(ctl: Ctl, server: str) -> None:
    added(ctl)
    refused = ctl("fleet", "profile", *PHONES, "--for", "android", "--server", server)
    assert (refused.code, f"--server: {server!r} is not a host name" in refused.err) == (2, True)


def test_wrong_address_is_named(ctl: Ctl) -> None:
    added(ctl)
    asked = ("--for", "windows", "--server", "dns.example.org", "--address", "nowhere")
    refused = ctl("fleet", "profile", *PHONES, *asked)
    assert (refused.code, "nowhere" in refused.err) == (2, True)
