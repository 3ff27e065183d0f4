"""The addresses of this machine."""

from ipaddress import ip_address

import pytest

from dnsfilter.config.own_addresses import has_address, has_family


@pytest.mark.parametrize(("address", "here"), [("127.0.0.1", True), ("127.0.5.10", True), ("192.0.2.1", False)])
def test_address_is_here_unless_the_kernel_denies_it(address: str, here: bool) -> None:
    assert has_address(ip_address(address)) is here
    assert has_family(ip_address(address))
