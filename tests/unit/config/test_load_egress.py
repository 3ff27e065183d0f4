"""`[egress]` in the node's configuration."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from dnsfilter.config.load import parse_config
from dnsfilter.config.node_config import Egress, EgressMode, EgressNetwork
from dnsfilter.errors import ConfigError

SERVERS = '[upstream]\nservers = ["192.0.2.1"]\n'
OFFICE = '[[egress.network]]\nname = "office"\nprefixes = ["10.1.0.0/16"]\n'


def egress(text: str) -> Egress:
    return parse_config(SERVERS + text, Path("dnsfilter.toml")).egress


def problems(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        egress(text)
    return str(caught.value)


def test_without_the_table_there_is_no_network() -> None:
    assert egress("") == Egress()


def test_every_key_is_read() -> None:
    text = '[egress]\nmode = "enforce"\ngrace = "1 minute"\nadmit = ["10.0.0.0/8"]\n'
    network = EgressNetwork("office", (ip_network("10.1.0.0/16"),))
    assert egress(text + OFFICE) == Egress(EgressMode.ENFORCE, 60, (ip_network("10.0.0.0/8"),), (network,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[egress]\nadmit = ["10.0.0.0/8"]\n', "has an effect only with a network"),
        (OFFICE + OFFICE, "'office' is given twice"),
        (
            OFFICE + OFFICE.replace("office", "guests").replace("/16", "/24"),
            "overlaps a prefix of the network 'office'",
        ),
        (OFFICE.replace("office", "The office"), "'The office' is not up to 15 of the characters"),
        (OFFICE.replace('"10.1.0.0/16"', '"10.1.0.1/16"'), "10.1.0.1/16"),
        ('[egress]\nmode = "on"\n', "'on' is not one of audit, enforce"),
    ],
)
def test_faults_name_the_value(text: str, message: str) -> None:
    assert message in problems(text)
