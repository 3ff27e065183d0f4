"""Networks in exports of Kea, Windows DHCP and NetBox, with the lines on which they stand."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.range_import.exports import KINDS, UnreadableExport, read_export
from tests.fuzz.examples import examples

KEA = """\
// Offices.
{
    "Dhcp4": {
        # "subnet": "10.0.0.0/8" is only a comment
        "shared-networks": [
            { "name": "school", "subnet4": [ { "id": 3, "subnet": "198.51.100.0/24", } ] }
        ],
        "subnet4": [
            { "id": 1,
              "subnet": "192.0.2.0/25", /* two
              lines */ "user-context": { "comment": "town  hall // left" } },
            { "id": 2, "subnet": "192.0.2.128/25", "comment": "library" }
        ],
    },
    "Dhcp6": { "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64" } ] }
}
"""
KEA_ROWS = [
    (10, "192.0.2.0/25", "town hall // left"),
    (12, "192.0.2.128/25", "library"),
    (6, "198.51.100.0/24", "school"),
    (15, "2001:db8:1::/64", ""),
]
XML = """\
<?xml version="1.0" encoding="utf-8"?>
<DHCPServer xmlns="http://schemas.microsoft.com/dhcp/2011/08">
  <IPv4>
    <Classes><Class><Name>Default</Name></Class></Classes>
    <Scopes>
      <Scope>
        <ScopeId>192.0.2.0</ScopeId><Name>Offices &amp; hall</Name><SubnetMask>255.255.255.128</SubnetMask>
        <Leases><Lease><IPAddress>192.0.2.9</IPAddress><ScopeId>192.0.2.0</ScopeId><Name>pc</Name></Lease></Leases>
      </Scope>
    </Scopes>
  </IPv4>
  <IPv6>
    <Scopes>
      <Scope><Prefix>2001:db8:1::</Prefix><Name>Offices 6</Name></Scope>
    </Scopes>
  </IPv6>
</DHCPServer>
"""
POWERSHELL = """\
\ufeff#TYPE Microsoft.Management.Infrastructure.CimInstance
"ScopeId";"Name";"Description";"SubnetMask";"State"
"192.0.2.0";"Offices";"";"255.255.255.128";"Active"
"198.51.100.0";"";"";"255.255.255.0";"InActive"
"""
NETBOX = """\
ID,Prefix,Status,Children,VRF,Description
1,192.0.2.0/24,Container,2,,Ghent
2,192.0.2.0/25,Active,0,,Offices
3,2001:db8:1::/64,Reserved,0,blue,
"""


def rows(kind: str, text: str) -> list[tuple[int, str, str]]:
    found, faults = read_export(kind, text)
    assert faults == []
    return [(line, str(prefix), label) for line, prefix, label in found]


def faults(kind: str, text: str) -> list[tuple[str, str]]:
    return [(fault.location, fault.message) for fault in read_export(kind, text)[1]]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("kea", KEA, KEA_ROWS),
        ("windows", XML, [(6, "192.0.2.0/25", "Offices & hall"), (14, "2001:db8:1::/64", "Offices 6")]),
        ("windows", POWERSHELL, [(3, "192.0.2.0/25", "Offices"), (4, "198.51.100.0/24", "")]),
        ("windows", "Prefix,PrefixLength,Name\n2001:db8::,56,old\n", [(2, "2001:db8::/56", "old")]),
        ("netbox", NETBOX, [(3, "192.0.2.0/25", "Offices"), (4, "2001:db8:1::/64", "")]),
        ("netbox", "prefix;status\n192.0.2.0/24;active\n", [(2, "192.0.2.0/24", "")]),
    ],
)
def test_networks_have_line_prefix_and_label(kind: str, text: str, expected: list[tuple[int, str, str]]) -> None:
    assert rows(kind, text) == expected


@pytest.mark.parametrize("as_list", [False, True])
def test_the_answer_to_config_get_is_read(as_list: bool) -> None:
    answer: object = {"result": 0, "arguments": {"Dhcp4": {"subnet4": [{"subnet": "192.0.2.0/24"}]}}}
    assert rows("kea", json.dumps([answer] if as_list else answer)) == [(1, "192.0.2.0/24", "")]


def test_encoding_in_the_declaration_may_be_another_than_that_of_the_text() -> None:
    assert rows("windows", XML.replace('"utf-8"', '"utf-16"', 1)) == rows("windows", XML)


def test_each_of_many_networks_has_its_line() -> None:
    subnets = ",\n".join(f'{{"subnet": "10.0.{number}.0/24"}}' for number in range(200))
    found = rows("kea", f'{{"Dhcp4": {{"subnet4": [\n{subnets}]}}}}')
    assert [line for line, _, _ in found] == list(range(2, 202))


def test_the_example_for_kea_is_read() -> None:
    example = Path(__file__).parents[4] / "deploy/dhcp/kea-dhcp4.conf"
    (found,) = rows("kea", example.read_text())
    assert found[1:] == ("192.0.2.0/25", "offices")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (
            "kea",
            '{"Dhcp4": {"subnet4": [\n{"subnet": "192.0.2.1/24"},\n{"id": 1}]}}',
            [("line 2", "'192.0.2.1/24' has host bits set: write 192.0.2.0/24"), ("line 1", "'' is not a prefix")],
        ),
        (
            "netbox",
            "prefix\n192.0.2.0/24\n198.51.100.0/24\n192.0.2.0/24\n",
            [("line 4", "192.0.2.0/24 repeats line 2: remove one")],
        ),
        (
            "windows",
            "ScopeId,SubnetMask\n192.0.2.0,255.255.0.255\n192.0.2.0\n",
            [("line 2", "'192.0.2.0/255.255.0.255' is not a prefix"), ("line 3", "'192.0.2.0/' is not a prefix")],
        ),
        ("netbox", "id;prefix;status\r\n5\r\n", [("line 2", "'' is not a prefix")]),
        ("windows", "Name,Prefix\nlab\n", [("line 2", "'/64' is not a prefix")]),
    ],
)
def test_every_wrong_network_is_a_fault_with_its_line(kind: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert faults(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("kea", '{\n"Dhcp4": <?include "subnets.json"?>\n}', "JSON: line 2: Expecting value. For a file with includes"),
        ("kea", "[" * 100_000, "it cannot be read as JSON"),
        ("kea", '{"Dhcp-ddns": {}}', "it has neither Dhcp4 nor Dhcp6"),
        ("kea", "3", "it has neither Dhcp4 nor Dhcp6"),
        ("windows", "<DHCPServer><IPv4>", "it cannot be read as XML: no element found: line 1"),
        ("windows", "<DHCPServer></DHCPServer>", "it has no scopes"),
        ("windows", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "it has a document type"),
        ("windows", "ScopeId,Name\n", "its first row has no column scopeid and subnetmask or prefix"),
        ("netbox", "", "the file is empty"),
        ("netbox", 'prefix\n"192.0.2.0/24\n', "line 2 cannot be read as CSV"),
    ],
)
def test_another_file_is_refused_with_the_reason(kind: str, text: str, message: str) -> None:
    with pytest.raises(UnreadableExport, match=message.replace("?", r"\?")):
        read_export(kind, text)


@examples(100)
@given(st.sampled_from(sorted(KINDS)), st.sampled_from((KEA, XML, POWERSHELL, NETBOX)), st.data())
def test_any_text_is_rows_faults_or_a_reason(kind: str, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    changed = text[:start] + data.draw(st.text(max_size=8)) + text[start + data.draw(st.integers(0, 8)) :]
    with suppress(UnreadableExport):
        found, wrong = read_export(kind, changed)
        assert len({prefix for _, prefix, _ in found}) == len(found)
        assert all(fault.location.startswith("line ") for fault in wrong)
