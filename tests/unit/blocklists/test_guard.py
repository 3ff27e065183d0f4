"""The guard: deliberate violations are caught, harmless neighbours pass, bad files are reported."""

from pathlib import Path

import pytest

from blocklists.guard import PUBLIC_SUFFIX, SINGLE_LABEL, GuardedName, load_guard
from dnsfilter.errors import ConfigError
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import name_text, parse_name

GUARD = load_guard()


def planted(*, domains: tuple[str, ...] = (), hosts: tuple[str, ...] = (), tier: int = 1) -> Service:
    names = Tier(tier, frozenset(map(parse_name, domains)), frozenset(map(parse_name, hosts)))
    return Service("planted", "Planted", (Tier(0), names))


@pytest.mark.parametrize(
    ("entry", "file_name"),
    [
        ("belgium.be", "public-authorities.txt"),
        ("kids.belgium.be", "public-authorities.txt"),
        ("www.gent.be", "public-authorities.txt"),
        ("gent.be", "public-authorities.txt"),
        ("itsme-id.com", "public-authorities.txt"),
        ("kbc.be", "popular-belgian.txt"),
        ("digicert.com", "office-and-certificates.txt"),
        ("microsoft.com", "office-and-certificates.txt"),
        ("windows.com", "office-and-certificates.txt"),
        ("google.com", "office-and-certificates.txt"),
        ("gstatic.com", "suffixes.txt"),
        ("dns.belnet.be", "upstream-bootstrap.txt"),
        ("belnet.be", "upstream-bootstrap.txt"),
        ("joindns4.eu", "upstream-bootstrap.txt"),
        ("unfiltered.joindns4.eu", "upstream-bootstrap.txt"),
        ("probe.akamaized.net", "shared-network-probes.txt"),
        ("co.uk", PUBLIC_SUFFIX),
        ("github.io", PUBLIC_SUFFIX),
        ("kobe.jp", PUBLIC_SUFFIX),
        ("any.kobe.jp", PUBLIC_SUFFIX),
        ("xn--55qx5d.cn", PUBLIC_SUFFIX),
        ("githubpreview.dev", PUBLIC_SUFFIX),
        ("livekit.cloud", "suffixes.txt"),
        ("wsdvs.com", "suffixes.txt"),
        ("be", SINGLE_LABEL),
        ("youtube", SINGLE_LABEL),
        (".", SINGLE_LABEL),
    ],
)
def test_violating_domain_is_caught(entry: str, file_name: str) -> None:
    (violation,) = GUARD.violations(planted(domains=(entry,), tier=2))
    assert (name_text(violation.entry), violation.file_name, violation.tier) == (entry, file_name, 2)
    assert entry in str(violation)


@pytest.mark.parametrize(
    "suffix",
    [
        "akamaized.net",
        "edgekey.net",
        "edgesuite.net",
        "akamai.net",
        "cloudfront.net",
        "fastly.net",
        "azureedge.net",
        "amazonaws.com",
        "googleusercontent.com",
        "googleapis.com",
        "cloudflare.net",
        "footprint.net",
        "myqcloud.com",
        "app-measurement.com",
        "apple-dns.net",
    ],
)
def test_shared_suffix_is_caught_as_domain_and_as_host(suffix: str) -> None:
    assert GUARD.violations(planted(domains=(suffix,)))
    assert GUARD.violations(planted(hosts=(suffix,)))


@pytest.mark.parametrize("host", ["www.gent.be", "www.google.com", "child.joindns4.eu", "x.belgium.be", "be", "com.be"])
def test_violating_host_is_caught(host: str) -> None:
    assert len(GUARD.violations(planted(hosts=(host,)))) == 1


def test_host_above_a_guarded_name_passes_because_it_is_exact() -> None:
    assert GUARD.violations(planted(hosts=("itsme-id.com",))) == ()


@pytest.mark.parametrize(
    "entry",
    [
        "sample.example",
        "below.www.google.com",
        "sample.akamaized.net",
        "notbelgium.be",
        "city.kobe.jp",
        "sample.github.io",
        "discordsays.com",
        "fbsbx.com",
    ],
)
def test_neighbours_of_guarded_names_pass(entry: str) -> None:
    assert GUARD.violations(planted(domains=(entry,), hosts=(f"host.{entry}",))) == ()


def test_every_violation_is_reported_in_order() -> None:
    service = planted(domains=("co.uk", "kbc.be"), hosts=("www.gent.be",))
    found = [name_text(violation.entry) for violation in GUARD.violations(service)]
    assert sorted(found) == ["co.uk", "kbc.be", "www.gent.be"]


@pytest.mark.parametrize(
    ("domain", "host", "hit"),
    [
        ("resolver.example.org", "resolver.example.org", True),
        ("example.org", "resolver.example.org", True),
        ("other.example.org", "example.org", False),
        ("corp.example.net", "below.corp.example.net", True),
    ],
)
def test_names_of_an_installation_are_guarded_too(domain: str, host: str, hit: bool) -> None:
    guard = GUARD.with_names(
        [
            GuardedName(parse_name("resolver.example.org"), False, "upstream"),
            GuardedName(parse_name("corp.example.net"), True, "conditional zone"),
        ]
    )
    assert bool(guard.hit(parse_name(domain), is_host=False)) is hit
    assert bool(guard.hit(parse_name(host), is_host=True)) is hit
    assert guard.hit(parse_name("kbc.be"), is_host=True)
    assert not GUARD.hit(parse_name(domain), is_host=False)


def test_bad_lines_are_all_reported_with_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# head\n\nfine.example # why\na..b\n!fine.example\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("x.*.example\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_guard(tmp_path)
    assert [problem.location for problem in error.value.problems] == ["a.txt:4", "a.txt:5", "b.txt:1"]


def test_unreadable_files_are_all_reported(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\n")
    (tmp_path / "b.txt").write_text("a..b\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_guard(tmp_path)
    assert [problem.location for problem in error.value.problems] == ["a.txt", "b.txt:1"]


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_directory_without_guard_files_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        load_guard(tmp_path / name)
