"""Private addresses. tests/contract/test_rebinding.py has the bounds of each network, for both engines."""

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.wire.private_addresses import is_private


@given(st.ip_addresses(v=4))
def test_addresses_that_python_calls_global_are_not_private(address: object) -> None:
    found = ip_address(str(address))
    if found.is_global:
        assert not is_private(found.packed)


@given(st.ip_addresses(v=4))
def test_an_address_is_as_private_in_ipv6(address: object) -> None:
    packed = ip_address(str(address)).packed
    for prefix in (bytes(12), bytes(10) + b"\xff\xff", b"\x00\x64\xff\x9b" + bytes(8)):
        assert is_private(prefix + packed) is is_private(packed)
