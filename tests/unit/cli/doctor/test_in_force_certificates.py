"""A certificate that ends soon."""

from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.in_force import DAY_S, certificates
from tests.support.doctor_subjects import subject, texts
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
