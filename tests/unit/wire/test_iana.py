"""Registry numbers and their mnemonics."""

import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire import iana


@pytest.mark.parametrize(
    ("rtype", "text"), [(1, "A"), (65, "HTTPS"), (255, "ANY"), (257, "CAA"), (65280, "TYPE65280"), (0, "TYPE0")]
)
def test_a_type_has_its_mnemonic_else_its_number(rtype: int, text: str) -> None:
    assert iana.type_text(rtype) == text
    assert iana.parse_type(text.lower()) == rtype


@given(st.integers(0, 0xFFFF))
def test_every_type_survives_its_text(rtype: int) -> None:
    assert iana.parse_type(iana.type_text(rtype)) == rtype


@pytest.mark.parametrize("text", ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE1_0", "TYPE١", "NOSUCH", "A "])
def test_invalid_type_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="parse record type"):
        iana.parse_type(text)


def test_type_numbers_are_those_of_an_independent_table() -> None:
    unknown_there = {iana.Type.NXNAME}
    for value in iana.Type:
        if value not in unknown_there:
            assert int(dns.rdatatype.from_text(value.name)) == value


@pytest.mark.parametrize(
    ("rcode", "text"), [(0, "NOERROR"), (5, "REFUSED"), (16, "BADVERS"), (8, "NXRRSET"), (99, "RCODE99")]
)
def test_rcodes_have_texts(rcode: int, text: str) -> None:
    assert iana.rcode_text(rcode) == text


def test_rcode_numbers_are_those_of_an_independent_table() -> None:
    for value in iana.Rcode:
        assert int(dns.rcode.from_text(value.name)) == value


@pytest.mark.parametrize(("rclass", "text"), [(1, "IN"), (3, "CH"), (255, "ANY"), (42, "CLASS42")])
def test_classes_have_texts(rclass: int, text: str) -> None:
    assert iana.class_text(rclass) == text
