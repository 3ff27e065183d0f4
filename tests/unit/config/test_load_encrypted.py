"""`[encrypted]`: listeners with their names and files, and every fault at once."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.load import parse_config
from dnsfilter.config.node_config import Config, Encrypted, Endpoint
from dnsfilter.errors import ConfigError
from dnsfilter.worker.start_config import pack_config, unpack_config

SERVERS = '\n[upstream]\nservers = ["192.0.2.1"]\n'
FILES = 'name = "Dns.Example.org."\ncertificate = "tls/chain.pem"\nkey = "/etc/key.pem"\n'


def parsed(text: str) -> Config:
    return parse_config(f"[encrypted]\n{text}{SERVERS}", Path("/etc/dnsfilter/dnsfilter.toml"))


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parsed(text)
    return [str(problem).removeprefix("/etc/dnsfilter/dnsfilter.toml ") for problem in raised.value.problems]


def test_ports_have_defaults_and_paths_begin_at_the_file() -> None:
    found = parsed(f'{FILES}dot_listen = ["192.0.2.1", "[::]:8853"]\ndoh_listen = ["192.0.2.1"]\n')
    address, wildcard = ip_address("192.0.2.1"), ip_address("::")
    assert found.encrypted == Encrypted(
        "dns.example.org",
        Path("/etc/dnsfilter/tls/chain.pem"),
        Path("/etc/key.pem"),
        (Endpoint(address, 853), Endpoint(wildcard, 8853)),
        (Endpoint(address, 443),),
    )
    assert found.endpoints == (*found.listen, *found.encrypted.endpoints)
    assert unpack_config(pack_config(found, ()))[0] == found


def test_authorities_of_devices_need_a_listener() -> None:
    found = parsed(f'{FILES}client_ca = "devices.pem"\ndot_listen = ["192.0.2.1"]\n')
    assert found.encrypted.client_ca == Path("/etc/dnsfilter/devices.pem")
    assert unpack_config(pack_config(found, ()))[0] == found
    assert faults(f'{FILES}client_ca = "devices.pem"\n') == [
        "encrypted.client_ca: needs dot_listen or doh_listen: "
        "a proxy in front cannot pass on the certificates of devices"
    ]


def test_files_without_listeners_are_no_fault() -> None:
    assert parsed(FILES).encrypted.endpoints == ()
    assert parsed("").encrypted == Encrypted()


def test_every_missing_key_is_named() -> None:
    assert faults('dot_listen = ["192.0.2.1"]\n') == [
        'encrypted.name: is required with dot_listen: the name in the certificate, such as "dns.example.org"',
        "encrypted.certificate: is required with dot_listen: the path of a PEM file with the certificate and its chain",
        "encrypted.key: is required with dot_listen: the path of a PEM file with the certificate's key",
    ]


@pytest.mark.parametrize("name", ["localhost", "a..b", "-a.example", "ex_ample.org", "*.example.org", f"{'a.' * 95}be"])
def test_a_name_that_is_no_host_name_is_one_fault(name: str) -> None:
    (fault,) = faults(f'{FILES}doh_listen = ["192.0.2.1"]\n'.replace("Dns.Example.org.", name))
    assert fault == f'encrypted.name: {name!r} is not a host name such as "dns.example.org", at most 189 characters'


def test_an_address_that_is_used_twice_is_named() -> None:
    dot, doh = ["127.0.0.1:53", "192.0.2.1", "127.0.0.1:9153"], ["192.0.2.1:853", "224.0.0.1"]
    assert faults(f"{FILES}dot_listen = {dot}\ndoh_listen = {doh}\n") == [
        "encrypted.dot_listen[0]: 127.0.0.1:53 is given twice: use another port",
        "encrypted.dot_listen[2]: 127.0.0.1:9153 is given twice: use another port",
        "encrypted.doh_listen[0]: 192.0.2.1:853 is given twice: use another port",
        "encrypted.doh_listen[1]: 224.0.0.1:443 is a multicast address",
    ]
