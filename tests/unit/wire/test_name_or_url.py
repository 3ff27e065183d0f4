"""The domain name in what a person types: a name, the host of a URL, or an error."""

import re

import pytest

from dnsfilter.wire.name_or_url import parse_typed_name
from dnsfilter.wire.names import ROOT, name_text, parse_name

NAME = "www.tiktok.com"


@pytest.mark.parametrize(
    "text",
    [
        "https://www.tiktok.com/@x",
        "HTTP://WWW.TikTok.com",
        "https://www.tiktok.com:8443/@x?lang=nl#top",
        "https://user:secret@www.tiktok.com/",
        "https://a@b@www.tiktok.com?next=https://www.example.org/",
        "https://www.tiktok.com./",
        "app+x-1.2://www.tiktok.com/open",
        "//www.tiktok.com/@x",
        "https:/www.tiktok.com/",
        "https:www.tiktok.com",
        "https:///www.tiktok.com/",
        r"https:\\www.tiktok.com\@x",
        "view-source:https://www.tiktok.com/",
        "<https://www.tiktok.com/@x>",
        "www.tiktok.com/",
        "www.tiktok.com/a b",
        "www.tiktok.com:443",
        "www.tiktok.com.:443/",
        "www.tiktok.com:",
        "www.tiktok.com?x",
        "www.tiktok.com#x",
        "someone@www.tiktok.com",
    ],
)
def test_the_host_of_a_url_is_the_name(text: str) -> None:
    assert name_text(parse_typed_name(text)) == NAME


@pytest.mark.parametrize(
    "text",
    [
        "www.TikTok.com",
        "www.tiktok.com.",
        "_dns._udp.example.org",
        "localhost",
        "10.0.0.127.in-addr.arpa",
        r"a\.b.example.org",
        r"0\/25.2.0.192.in-addr.arpa",
        r"a\@b\:c.example.org",
        r"\000.example.org",
        "xn--tktok-q4a.com",
    ],
)
def test_a_name_stays_as_it_is(text: str) -> None:
    assert parse_typed_name(text) == parse_name(text)


@pytest.mark.parametrize("text", ["Bücher.example", "https://BÜCHER.example:443/?q=ü", "bücher。example"])
def test_a_name_in_any_script_becomes_a_labels(text: str) -> None:
    assert name_text(parse_typed_name(text)) == "xn--bcher-kva.example"


def test_the_root_is_a_name() -> None:
    assert parse_typed_name(".") == ROOT


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "192.0.2.1:443",
        "192.0.2.0/24",
        "https://192.0.2.1/",
        "http://2130706433/",
        "１９２.0.2.１",
        "2001:db8::1",
        "[2001:db8::1]",
        "https://[2001:db8::1]:443/",
        "0/25.2.0.192.in-addr.arpa",
    ],
)
def test_address_is_rejected_as_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="a name is required, not an address"):
        parse_typed_name(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a name is required: write"),
        ("https://", "a name is required: write"),
        ("https:///", "a name is required: write"),
        ("/path", "a name is required: write"),
        (":443", "a name is required: write"),
        ("user@", "a name is required: write"),
        ("www.tiktok.com:https", "'https' is not a port"),
        ("www.tiktok.com:65536", "'65536' is not a port"),
        ("a..b", "has an empty label"),
        ("https://tiktok..com/", "has an empty label"),
        ("a.org\\", "has an incomplete escape"),
        ("www tiktok com", "contains a blank"),
        ("https://www.tiktok%2ecom/", "'www.tiktok%2ecom' is not a host name"),
        ("https://tiktök%2eexample/", "is not a valid internationalized name"),
        ("https://tiktok.example\u2100/", "is not a host name"),
        ("\N{PILE OF POO}.example", "is not a valid internationalized name: write its labels as xn--"),
        ("tikt\udcf6k.example", "is not a valid internationalized name"),
        ("https://" + "a" * 64 + ".org", "more than 63"),
    ],
)
def test_anything_else_is_an_error_that_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_typed_name(text)


def test_a_backslash_ends_the_host_of_a_url_as_in_a_browser() -> None:
    assert name_text(parse_typed_name(r"https://www.tiktok.com\@www.example.org/")) == NAME


def test_no_error_repeats_the_password_or_path_of_a_url() -> None:
    for text in ("https://user:hunter2@192.0.2.1/hunter2", "https://user:hunter2@a..b/hunter2?hunter2"):
        with pytest.raises(ValueError, match=r"192\.0\.2\.1|a\.\.b") as caught:
            parse_typed_name(text)
        assert "hunter2" not in str(caught.value)
