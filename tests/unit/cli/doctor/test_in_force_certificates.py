"""A certificate that ends soon."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.in_force import certificates
from dnsfilter.policy.model import DAY_S
from tests.support.certificates import Authority
from tests.support.doctor_subjects import subject, texts, write
from tests.support.policies import NOW


def test_certificate_is_found_from_two_weeks_before_its_end(tmp_path: Path) -> None:
    contact = Contact("https://192.0.2.9", True, status=200, ends_s=NOW + 13 * DAY_S)
    node = replace(subject(tmp_path), contact=contact)
    (found,) = certificates(node).findings
    assert found.text == "the certificate of https://192.0.2.9 ends in 13 days, at 2026-04-10T00:00:00Z"
    assert found.advice.startswith("on the control plane's machine replace the files")
    assert texts(certificates(replace(node, contact=replace(contact, ends_s=NOW + 90 * DAY_S)))) == []


def test_certificate_that_was_not_seen_is_unknown(tmp_path: Path) -> None:
    assert certificates(replace(subject(tmp_path), contact=Contact("https://192.0.2.9", True, "refused"))).unseen


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (90, []),
        (13, ["the certificate /etc/dnsfilter/api-certificate.pem ends in 13 days,"]),
        (-0.5, ["the certificate /etc/dnsfilter/api-certificate.pem ended"]),
    ],
)
def test_certificate_of_this_machines_control_plane_is_found_though_its_own_node_asks_without_tls(
    tmp_path: Path, days: float, expected: list[str]
) -> None:
    node = replace(subject(tmp_path), contact=Contact("http://127.0.0.1:8080", True, status=200), now_s=time.time())
    assert certificates(node).seen == "the control plane is asked without TLS"
    file = node.root / "etc/dnsfilter/api-certificate.pem"
    write(node.root, "etc/dnsfilter/api.env", "DNSFILTER_API_TLS_CERTIFICATE=/etc/dnsfilter/api-certificate.pem\n")
    assert "/etc/dnsfilter/api-certificate.pem cannot be read" in str(certificates(node).unseen)
    lasting = timedelta(days=days, minutes=1)
    Authority(tmp_path / "authority").issue(file, tmp_path / "key.pem", lasting=lasting)
    assert [text.partition(" at ")[0] for text in texts(certificates(node))] == expected
    file.write_text("no certificate")
    assert texts(certificates(node)) == ["/etc/dnsfilter/api-certificate.pem holds no certificate"]
