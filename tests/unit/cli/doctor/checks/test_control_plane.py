"""A control plane that cannot be reached, is not trusted, or does not accept the node's token."""

from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.checks.control_plane import control_plane
from dnsfilter.cli.doctor.contact import Contact
from tests.support.doctor_subjects import subject, texts

URL = "https://192.0.2.9"


@pytest.mark.parametrize(
    ("contact", "text", "advice"),
    [
        (Contact(URL, True, "connection refused"), f"{URL}: connection refused", "systemctl status dnsfilter-api"),
        (
            Contact(URL, True, "its certificate is not trusted", untrusted=True),
            f"{URL}: its certificate is not trusted",
            "set [control_plane] ca",
        ),
        (Contact(URL, status=200), "this node has not enrolled at its control plane", "type dnsfilter enrol --config"),
        (
            Contact(URL, True, status=401, detail="status 401"),
            f"{URL} does not accept this node's token: status 401",
            "enrol again",
        ),
        (Contact(URL, True, status=503, detail="status 503"), f"{URL} answers with status 503", "dnsfilterctl status"),
    ],
)
def test_what_keeps_a_node_from_pulling_is_found(tmp_path: Path, contact: Contact, text: str, advice: str) -> None:
    found = control_plane(replace(subject(tmp_path), contact=contact))
    assert texts(found) == [text]
    assert advice in found.findings[0].advice


@pytest.mark.parametrize("contact", [None, Contact(URL, True, status=200, revision=1)])
def test_control_plane_that_answers_is_fine(tmp_path: Path, contact: Contact | None) -> None:
    assert texts(control_plane(replace(subject(tmp_path), contact=contact))) == []
