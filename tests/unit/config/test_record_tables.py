"""Faults of `[[record]]` tables."""

from pathlib import Path

import pytest

from tests.unit.config.test_load import load, problems


def table(name: str, kind: str, data: str) -> str:
    return f'[[record]]\nname = "{name}"\ntype = "{kind}"\ndata = "{data}"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[record]]\nname = "a.example"\ntype = "A"', "record[0].data (a.example): is missing"),
        (table("a..b", "A", "192.0.2.1"), "record[0].name: parse name: 'a..b'"),
        (table("a.example", "MX", "10 b.example"), "record[0].type (a.example): 'MX' is not one of A, AAAA, CNAME,"),
        (table("a.example", "A", "2001:db8::1"), "record[0].data (a.example): '2001:db8::1' is not an IPv4 address"),
        (table("a.example", "AAAA", "192.0.2.1"), "record[0].data (a.example): '192.0.2.1' is not an IPv6 address"),
        (
            table("a.example", "AAAA", "fe80::1%eth0"),
            "record[0].data (a.example): 'fe80::1%eth0' has an IPv6 zone index",
        ),
        (table(".", "A", "192.0.2.1"), "record[0].name: the root can have no record here"),
        (
            table("a.example", "A", "192.0.2.1") + table("a.example", "A", "192.0.2.2") + "ttl = 60\n",
            "record[1].ttl (a.example): must be 300, as in the first A of a.example",
        ),
        (table("a.example", "SRV", "0 5 b.example"), "'0 5 b.example' is not priority, weight, port and target"),
        (table("a.example", "SRV", "0 5 65536 b.example"), "is not priority, weight, port and target"),
        (table("a.example", "TXT", "x" * 256), "record[0].data (a.example): "),
        (table("a.example", "TXT", "é" * 128), "record[0].data (a.example): has 256 bytes in UTF-8: at most 255"),
        (table("a.example", "CNAME", "b..c"), "record[0].data (a.example): parse name: 'b..c'"),
        (table("x.onion", "A", "192.0.2.1"), "record[0].name: x.onion is always answered by the resolver"),
        (table("probe.dnsfilter.internal", "A", "192.0.2.1"), "is always answered by the resolver itself"),
        (table("*.a.example", "A", "192.0.2.1"), "*.a.example is no wildcard here: write each name"),
        (table("localhost", "A", "192.0.2.1"), "localhost is always answered by the resolver itself"),
        (table("a.example", "A", "192.0.2.1") * 2, "record[1] (a.example): is the same A of a.example once more"),
        (
            table("a.example", "A", "192.0.2.1") + "ttl = 86401\n",
            "record[0].ttl (a.example): must be less than or equal to 86400",
        ),
    ],
)
def test_fault_names_its_place(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert expected in problem


def test_alias_stands_alone(tmp_path: Path) -> None:
    text = table("a.example", "CNAME", "b.example") + table("a.example", "A", "192.0.2.1")
    (problem,) = problems(tmp_path, text)
    assert "record[1].name: a.example has a CNAME: it can have no other record" in problem
    assert len(problems(tmp_path, table("a.example", "CNAME", "b.example") + table("A.example", "CNAME", "c.example")))


def test_aliases_may_not_lead_back_to_themselves(tmp_path: Path) -> None:
    loop = table("a.example", "CNAME", "B.example") + table("b.example", "CNAME", "a.example")
    text = loop + table("in.example", "CNAME", "a.example")
    assert [problem.partition("record")[2] for problem in problems(tmp_path, text)] == [
        "[0].data (a.example): the alias a.example leads back to itself",
        "[1].data (b.example): the alias b.example leads back to itself",
    ]
    load(tmp_path, text.replace('data = "a.example"', 'data = "d.example"'))


def test_a_name_has_at_most_32_records(tmp_path: Path) -> None:
    text = "".join(table("a.example", "A", f"192.0.2.{number}") for number in range(33))
    assert len(load(tmp_path, text.replace(table("a.example", "A", "192.0.2.32"), "")).records) == 32
    assert all("a.example has 33 records: at most 32" in problem for problem in problems(tmp_path, text))
