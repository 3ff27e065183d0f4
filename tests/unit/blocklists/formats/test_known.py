"""Formats: read back what was written, find the format, survive any input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.formats.items import Item
from blocklists.formats.known import READERS, Format, detect, written
from blocklists.name_list import merge
from dnsfilter.cli.lists import READ
from dnsfilter.errors import ListError
from tests.support.read_names import drawn_items, joined

NEVER, ALWAYS, EITHER = st.just(False), st.just(True), st.booleans()
SAYABLE = {
    Format.DOMAINS: (NEVER, NEVER),
    Format.HOSTS: (ALWAYS, NEVER),
    Format.ADBLOCK: (EITHER, EITHER),
    Format.RPZ: (EITHER, EITHER),
}
"""Which items a format can say: exact, allow."""


@pytest.mark.parametrize("known", Format)
@given(data=st.data())
def test_what_is_written_is_read_back(known: Format, data: st.DataObject) -> None:
    exact, allow = SAYABLE[known]
    merged = merge(data.draw(drawn_items(exact=exact, allow=allow)))
    left_out: list[Item] = []
    lines = joined(written(known, merged.items(), "Two\nlines: a.example", 1, left_out))
    read = [each for each in READERS[known](lines, None) if isinstance(each, Item)]
    assert left_out == []
    assert len(read) == len(list(READERS[known](lines, None)))
    assert merge(read) == merged


@pytest.mark.parametrize("known", Format)
@given(lines=st.lists(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")), max_size=8))
def test_a_reader_takes_any_bytes(known: Format, lines: list[bytes]) -> None:
    text = [line.decode(errors="surrogateescape") for line in lines]
    assert all(1 <= each.line <= len(lines) for each in READERS[known](text, None))


@pytest.mark.parametrize("known", Format)
@given(text=st.text(' \t\n.*@|^$#!/:;()"\\,=a1-0ü₂ℳ', max_size=60))
def test_a_reader_takes_any_mix_of_its_signs(known: Format, text: str) -> None:
    assert all(each.line for each in READERS[known](text.split("\n"), None))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("# a list\nexample.org\n", Format.DOMAINS),
        ("# a list\n127.0.0.1 localhost\n0.0.0.0 example.org", Format.HOSTS),
        ("! a list\n||example.org^\nexample.org##.banner\n@@||a.example^", Format.ADBLOCK),
        ("$TTL 30\n@ SOA a. b. 1 2 3 4 5\n NS localhost.\nexample.org CNAME .", Format.RPZ),
        ("example.org CNAME .", Format.RPZ),
    ],
)
def test_the_format_is_the_one_that_reads_most(text: str, known: Format) -> None:
    assert detect(text.split("\n")) == known


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# a list",
        "address=/example.org/0.0.0.0",
        r"(\.|^)example\.org$",
        "DOMAIN-SUFFIX,example.org",
        "a.example @cn",
    ],
)
def test_a_list_in_no_known_format_is_an_error(line: str) -> None:
    with pytest.raises(ListError, match=r"no name in any known format \(domains, hosts, adblock, rpz\)"):
        detect([line])


def test_the_command_offers_every_format() -> None:
    assert tuple(Format) == READ
