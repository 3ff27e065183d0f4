"""A listening address that this machine does not have."""

from pathlib import Path

from dnsfilter.cli.doctor.listening import addresses, answers
from tests.support.doctor_subjects import subject, texts


def test_address_that_this_machine_lacks_is_found_until_it_is_removed(tmp_path: Path) -> None:
    node = subject(tmp_path, listen="192.0.2.1")
    (found,) = addresses(node).findings
    assert found.text == "listen names 192.0.2.1:53, but this machine does not have 192.0.2.1"
    assert "reload-or-restart" in found.advice
    assert texts(answers(node)) == []  # nothing can answer there, and a restart would not help
    assert texts(addresses(subject(tmp_path, listen="127.0.0.1"))) == []
