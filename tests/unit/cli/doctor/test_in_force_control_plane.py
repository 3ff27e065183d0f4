"""A control plane that cannot be reached, is not trusted, or does not accept the node's token."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.in_force import control_plane, policy
from dnsfilter.cli.main import make_parser
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
            "type dnsfilterctl node token NAME --out enrolment-token",
        ),
        (Contact(URL, True, status=503, detail="status 503"), f"{URL} answers with status 503", "dnsfilterctl status"),
    ],
)
def test_what_keeps_a_node_from_pulling_is_found(tmp_path: Path, contact: Contact, text: str, advice: str) -> None:
    found = control_plane(replace(subject(tmp_path), contact=contact))
    assert texts(found) == [text]
    assert advice in found.findings[0].advice


def test_identity_that_this_user_may_not_read_says_nothing_about_the_control_plane(tmp_path: Path) -> None:
    found = control_plane(
        replace(subject(tmp_path), contact=Contact(URL, unread="read identity.json: permission denied"))
    )
    assert texts(found) == []
    assert "read identity.json: permission denied: run this as root" in found.unseen


def test_advice_to_enrol_has_every_option_that_the_command_needs(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), contact=Contact(URL, status=200))
    (found,) = control_plane(node).findings
    command = found.advice.partition("; then type dnsfilter ")[2]
    assert make_parser().parse_args(shlex.split(command)).token_file == Path("enrolment-token")
    shutil.rmtree(node.store.directory)
    assert policy(node).findings[0].advice == found.advice


@pytest.mark.parametrize("contact", [None, Contact(URL, True, status=200, version=(0, 1))])
def test_control_plane_that_answers_is_fine(tmp_path: Path, contact: Contact | None) -> None:
    assert texts(control_plane(replace(subject(tmp_path), contact=contact))) == []


def test_advice_to_enrol_needs_no_options_for_the_installed_configuration(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), contact=Contact(URL, status=200), options="")
    (found,) = control_plane(node).findings
    assert "then type dnsfilter enrol --token-file enrolment-token" in found.advice
