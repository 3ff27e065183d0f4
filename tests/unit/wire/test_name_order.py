"""Sorting in short steps gives the order of `sorted`."""

from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.name_order import in_order


@given(st.lists(st.binary(max_size=7)), st.lists(st.text("ab.", max_size=7)))
def test_the_order_is_that_of_sorted(names: list[bytes], texts: list[str]) -> None:
    assert list(in_order(names)) == sorted(names)
    assert list(in_order(texts)) == sorted(texts)
