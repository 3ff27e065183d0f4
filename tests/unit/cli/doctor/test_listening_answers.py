"""A node that runs but does not answer."""

from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.doctor.listening import answers
from tests.support.answering_server import server
from tests.support.doctor_subjects import subject, texts


def test_silent_address_is_found_until_it_answers(tmp_path: Path) -> None:
    node = subject(tmp_path)
    with server(with_tcp=False) as half:
        found = answers(replace(node, config=replace(node.config, listen=(half,))))
    assert texts(found) == [f"the node is silent: ask 127.0.0.1:{half.port} over TCP: connection refused"]
    with server() as complete:
        assert texts(answers(replace(node, config=replace(node.config, listen=(complete,))))) == []


def test_node_that_does_not_run_is_not_asked(tmp_path: Path) -> None:
    assert answers(replace(subject(tmp_path), page="connection refused")).unseen
