"""Names that this machine needs itself, and that only this node resolves."""

from pathlib import Path

import pytest

from dnsfilter.cli.doctor import resolving as checked
from dnsfilter.cli.doctor.resolving import BY_ADDRESS, own_names
from tests.support.doctor_subjects import answers, subject, texts, write

SERVER = "mail, log or database server"
GOOD = answers("NOERROR", "control.example.org. 60 IN A 192.0.2.9")


@pytest.mark.parametrize(
    ("path", "content", "purpose"),
    [
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_DATABASE=postgresql+psycopg://a:b@mail.example.org/c\n",
            SERVER,
        ),
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_NOTICES_MAIL=smtp://mail.example.org?from=a@b.example\n",
            SERVER,
        ),
        (
            "etc/dnsfilter/api.env",
            "DNSFILTER_API_EVENTS_SYSLOG=tls://mail.example.org\n",
            SERVER,
        ),
        ("etc/systemd/timesyncd.conf", "[Time]\nNTP=mail.example.org 192.0.2.123\n", "time server"),
        ("etc/chrony/chrony.conf", "pool mail.example.org iburst\n", "time server"),
    ],
)
def test_name_that_only_this_node_resolves_is_found_until_hosts_has_it(
    tmp_path: Path, path: str, content: str, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", GOOD)
    node = subject(tmp_path)
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\n")
    write(node.root, path, content)
    (found,) = own_names(node).findings
    assert found.text.startswith(f"mail.example.org, the {purpose}, is resolved by this node alone")
    if purpose == "time server":
        assert found.advice == BY_ADDRESS
    else:
        assert found.advice == "type echo '192.0.2.9 mail.example.org' >> /etc/hosts"
    write(node.root, "etc/hosts", "127.0.0.1 localhost # not mail.example.org\n")
    assert texts(own_names(node))
    write(node.root, "etc/hosts", "127.0.0.1 localhost\n192.0.2.9 mail.example.org\n")
    assert texts(own_names(node)) == []


def test_control_plane_is_one_of_them_and_a_second_resolver_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", GOOD)
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\n")
    (text,) = texts(own_names(node))
    assert text.startswith("control.example.org, the control plane, is resolved by this node alone")
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    assert texts(own_names(node)) == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (answers("REFUSED"), "this node answers REFUSED for control.example.org"),
        (answers("NOERROR"), "this node has no address for control.example.org"),
    ],
)
def test_name_that_this_node_does_not_resolve_is_found(
    tmp_path: Path, answer: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "ask", answer)
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    (found,) = own_names(node).findings
    assert found.text == text
    assert found.advice == f"type dnsfilter query control.example.org {node.options}"


def test_machine_that_asks_another_resolver_is_fine(tmp_path: Path) -> None:
    node = subject(tmp_path, '[control_plane]\nurl = "https://control.example.org"')
    write(node.root, "etc/resolv.conf", "nameserver 192.0.2.99\n")
    assert texts(own_names(node)) == []
