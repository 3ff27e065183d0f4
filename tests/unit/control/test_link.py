"""The link to the control plane: it enrols, pulls and reports, logs each failure once, and closes at once."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Config
from dnsfilter.control import link as module
from dnsfilter.control.enrolment import enrol
from dnsfilter.control.identity import Identity, load_identity
from dnsfilter.control.link import BackOff, Control, pull_first
from dnsfilter.control.puller import own_store
from dnsfilter.control.report import Facts
from dnsfilter.control.reporter import Reporter
from dnsfilter.errors import DnsfilterError, SnapshotError, UnavailableError
from dnsfilter.local.journal import Act, Journal
from dnsfilter.policy.model import Mode
from dnsfilter.telemetry.kept_totals import UsageTotals
from tests.support.fake_control_plane import ONE_TIME, TOKEN, Played
from tests.support.nodes import eventually
from tests.support.policies import NOW
from tests.unit.control.conftest import compiled

ConfigFor = Callable[..., Config]
Follow = Callable[[Config], Control]
FACTS = Facts(1, 64 * "a", 12, "compiled", 1, None, 0, 0, ())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_BACK_OFF_S", "LONGEST_LOCAL_S", "FIRST_PAUSE_S", "LOOK_S"):
        monkeypatch.setattr(module, name, 0.01)


@pytest.fixture
def config(plane: Played, config_for: ConfigFor, tmp_path: Path) -> Config:
    """The configuration of a node with a one-time token."""
    (tmp_path / "token").write_text(ONE_TIME)
    return config_for(plane.url, token=tmp_path / "token")


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Make links that are closed after the test."""
    with ExitStack() as ends:

        def start(config: Config) -> Control:
            made = Control(config)
            ends.callback(made.join, 10)
            ends.callback(made.close)
            return made

        yield start


def has(config: Config, revision: int) -> Callable[[], bool]:
    return lambda: own_store(config.node_dir).current_revision() == revision


def test_node_with_a_one_time_token_enrols_and_pulls(plane: Played, config: Config, follow: Follow) -> None:
    follow(config)
    assert eventually(has(config, 1))
    identity = load_identity(config.node_dir)
    assert identity is not None
    assert (identity.token, identity.key) == (TOKEN, plane.key)


def test_change_ends_the_long_poll(plane: Played, config: Config, follow: Follow) -> None:
    link = follow(config)
    assert eventually(lambda: any(each.query == {"wait": ["25"]} for each in plane.asked("/v1/nodes/self/snapshot")))
    asked = len(plane.asked("/v1/nodes/self/snapshot"))
    plane.publish(compiled(2, Mode.OFF))
    assert eventually(has(config, 2))
    assert len(plane.asked("/v1/nodes/self/snapshot")) <= asked + 1
    assert link.trouble is None


def test_refused_snapshot_is_logged_once_and_reported_and_current_one_stays(
    plane: Played, config: Config, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    link = follow(config)
    link.report(FACTS)
    assert eventually(has(config, 1))
    plane.script.alter_manifest = lambda manifest: manifest.replace(b'"made_s":1', b'"made_s":2')
    plane.publish(compiled(2, Mode.OFF))
    assert eventually(lambda: len(plane.asked("/v1/nodes/self/snapshot")) > 10)
    reason = "revision 2 refused: verify revision 2: its signature is not valid for"
    assert (link.trouble or "").startswith(reason)
    assert own_store(config.node_dir).current_revision() == 1
    assert eventually(lambda: plane.reports[-1]["trouble"].startswith(reason))
    plane.script.alter_manifest = bytes
    assert eventually(has(config, 2))
    assert eventually(lambda: plane.reports[-1]["trouble"] == "")
    # The log comes after the snapshot, in another thread than the report.
    assert eventually(lambda: "snapshots from the control plane again" in caplog.messages)
    assert caplog.messages.count("snapshot refused") == 1


def test_link_recovers_after_an_outage(plane: Played, config: Config, follow: Follow) -> None:
    link = follow(config)
    link.report(FACTS)
    assert eventually(has(config, 1))
    plane.script.status = 500
    plane.publish(compiled(2, Mode.OFF))
    assert eventually(lambda: link.trouble is not None)
    count = len(plane.reports)
    plane.script.status = None
    assert eventually(has(config, 2))
    assert eventually(lambda: link.trouble is None)
    assert eventually(lambda: len(plane.reports) > count)


def test_missing_token_and_identity_are_reported(plane: Played, config_for: ConfigFor, follow: Follow) -> None:
    link = follow(config_for(plane.url))
    assert eventually(lambda: "this node has not enrolled: run dnsfilter enrol" in (link.trouble or ""))
    assert plane.spoken == []


def test_refused_token_is_not_sent_again(plane: Played, config: Config, follow: Follow) -> None:
    plane.one_time.clear()
    link = follow(config)
    assert eventually(lambda: "its one-time token was refused" in (link.trouble or ""))
    assert len(plane.asked("/v1/nodes/enrol")) == 1
    plane.one_time.add(f"{ONE_TIME}-another")
    assert config.control_plane.token is not None
    config.control_plane.token.write_text(f"{ONE_TIME}-another")
    assert eventually(has(config, 1))


def test_enrolment_by_command_is_noticed_without_a_restart(plane: Played, config: Config, follow: Follow) -> None:
    follow(config)
    assert eventually(has(config, 1))
    plane.token = f"{TOKEN}-of-another-enrolment"
    plane.publish(compiled(2, Mode.OFF))
    assert eventually(lambda: len(plane.spoken) > 5)
    plane.one_time.add(ONE_TIME)
    enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert eventually(has(config, 2))


def test_rejected_node_token_stops_requests_until_the_next_enrolment(
    plane: Played, config: Config, follow: Follow
) -> None:
    link = follow(config)
    assert eventually(has(config, 1))
    link.report(FACTS)
    assert eventually(lambda: bool(plane.reports))
    plane.token = f"{TOKEN}-of-another-enrolment"
    plane.publish(compiled(2, Mode.OFF))
    rejected = "it no longer accepts this node's token; enrol this node again"
    assert eventually(lambda: (link.trouble or "").endswith(rejected))
    link.report(replace(FACTS, revision=2))
    before = len(plane.asked("/v1/nodes/self/snapshot"))
    plane.one_time.add(ONE_TIME)
    enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert eventually(has(config, 2))
    assert eventually(lambda: link.trouble is None)
    assert len(plane.asked("/v1/nodes/self/snapshot")) <= before + 3
    assert eventually(lambda: plane.reports[-1]["revision"] == 2)


def test_retry_after_is_respected(plane: Played, config: Config, follow: Follow) -> None:
    plane.script.status, plane.script.headers = 429, {"Retry-After": "300"}
    enrolled = config.node_dir / "identity.json"
    enrolled.parent.mkdir(parents=True)
    identity = Identity("one", "default", TOKEN, plane.key, "i", plane.url)
    enrolled.write_text(json.dumps(asdict(identity)))
    link = follow(config)
    link.report(FACTS)
    assert eventually(lambda: "status 429" in (link.trouble or ""))
    assert eventually(lambda: len(plane.asked("/v1/nodes/self/report")) == 1)
    link.close()
    link.join(20)
    assert len(plane.spoken) == 2


def test_server_that_does_not_hold_its_answer_is_not_flooded(
    plane: Played, config: Config, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 30.0)
    plane.script.waits = False
    link = follow(config)
    assert eventually(has(config, 1))
    assert eventually(lambda: plane.asked("/v1/nodes/self/snapshot")[-1].query == {"wait": ["25"]})
    asked = len(plane.asked("/v1/nodes/self/snapshot"))
    link.close()
    link.join(10)
    assert len(plane.asked("/v1/nodes/self/snapshot")) == asked


def test_journal_is_sent_once_in_parts(plane: Played, config: Config, follow: Follow) -> None:
    journal = Journal(config.node_dir / "journal.jsonl")
    for number in range(103):
        journal.add(NOW, 0, Act.SUSPEND, f"reason {number}", authority="ghent", until=NOW + 60)
    link = follow(config)
    link.report(FACTS)
    assert eventually(lambda: len(plane.reports) == 3)
    link.report(replace(FACTS, revision=2))
    assert eventually(lambda: len(plane.reports) == 4)
    sent = [[entry["number"] for entry in report["journal"]] for report in plane.reports]
    assert sent == [[], list(range(1, 101)), [101, 102, 103], []]
    assert journal.unreported() == ()


def test_unreadable_journal_does_not_stop_reports(plane: Played, config: Config, follow: Follow) -> None:
    (config.node_dir / "journal.jsonl").mkdir(parents=True)
    follow(config).report(FACTS)
    assert eventually(lambda: bool(plane.reports))
    assert "journal.jsonl" in plane.reports[0]["trouble"]


def test_clean_end_reports_what_was_counted_last(plane: Played, config: Config, follow: Follow) -> None:
    link = follow(config)
    link.report(FACTS)
    assert eventually(lambda: bool(plane.reports) and link._reports_accepted)
    counted = UsageTotals(bypass={("ghent", "ddr"): 7})
    link.finish(replace(FACTS, usage=counted), 20)
    (batch,) = [report["usage"] for report in plane.reports if "usage" in report]
    assert (batch["counts"], batch["bypass"]) == ([], [{"authority": "ghent", "kind": "ddr", "queries": 7}])
    assert link.unreported(counted) == UsageTotals()


def test_clean_end_that_takes_too_long_says_so(
    plane: Played, config: Config, follow: Follow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(Reporter, "report_last", lambda *_: is_over.wait())
    link = follow(config)
    link.report(FACTS)
    assert eventually(lambda: bool(plane.reports) and link._reports_accepted)
    link.finish(FACTS, 0)
    is_over.set()
    (said,) = [record for record in caplog.records if record.message == "last usage not reported"]
    assert said.__dict__["dnsfilter_fields"]["reason"] == f"{plane.url} took longer than 0 s"


def test_clean_end_does_not_wait_for_a_control_plane_that_is_away(
    plane: Played, config: Config, follow: Follow
) -> None:
    plane.script.status = 503
    link = follow(config)
    link.report(FACTS)
    assert eventually(lambda: bool(plane.spoken))
    link.finish(replace(FACTS, usage=UsageTotals(bypass={("ghent", "ddr"): 7})), 600)
    assert plane.reports == []


@pytest.mark.parametrize("with_report", [False, True])
def test_close_ends_both_threads_at_once(plane: Played, config: Config, follow: Follow, with_report: bool) -> None:
    link = follow(config)
    if with_report:
        link.report(FACTS)
        assert eventually(lambda: bool(plane.reports))
    assert eventually(lambda: any(each.query == {"wait": ["25"]} for each in plane.asked("/v1/nodes/self/snapshot")))
    link.close()
    link.join(20)
    assert not any(thread.is_alive() for thread in link._threads)


def test_tokens_are_never_logged(
    plane: Played, config: Config, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    follow(config)
    assert eventually(has(config, 1))
    plane.script.status = 401
    plane.publish(compiled(2, Mode.OFF))
    assert eventually(lambda: "no snapshot from the control plane" in caplog.text)
    assert ONE_TIME not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("url", ["http://control.example.invalid", "https://control.example.invalid"])
def test_unencrypted_connection_is_logged_as_a_warning(
    config_for: ConfigFor, follow: Follow, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    follow(config_for(url))
    assert ("not encrypted" in caplog.text) == url.startswith("http:")


def test_first_pull_stores_a_snapshot(plane: Played, config: Config) -> None:
    pull_first(config, None)
    assert own_store(config.node_dir).read_current().manifest == plane.manifest


def test_token_that_was_read_as_root_is_used(plane: Played, config_for: ConfigFor, tmp_path: Path) -> None:
    config = config_for(plane.url, token=tmp_path / "nowhere")
    with pytest.raises(UnavailableError, match="no such file"):
        pull_first(config, None)
    pull_first(config, ONE_TIME)
    assert own_store(config.node_dir).current_revision() == 1


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda plane: plane.one_time.clear(), UnavailableError),
        (lambda plane: setattr(plane, "manifest", None), UnavailableError),
        (lambda plane: setattr(plane.script, "alter_file", lambda data: b""), SnapshotError),
    ],
)
def test_failed_first_pull_gives_the_reason(
    plane: Played, config: Config, spoil: Callable[[Played], None], kind: type[DnsfilterError]
) -> None:
    spoil(plane)
    with pytest.raises(kind):
        pull_first(config, None)
    assert own_store(config.node_dir).current_revision() is None


def test_back_off_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACK_OFF_S", 0.2)
    monkeypatch.setattr("secrets.SystemRandom.uniform", lambda _self, _low, high: high)
    back_off = BackOff(30.0)
    assert [back_off.next_s() for _ in range(10)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    back_off.reset()
    assert back_off.next_s() == 0.2


def test_back_off_is_random() -> None:
    waits = {BackOff(30.0).next_s() for _ in range(50)}
    assert len(waits) > 10
    assert all(module.FIRST_BACK_OFF_S / 2 <= wait <= module.FIRST_BACK_OFF_S for wait in waits)
