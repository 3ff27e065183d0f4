"""Prometheus accepts its configuration, which scrapes where the programs listen."""

import re
from pathlib import Path

from tests.support.components import component

CONFIG = Path(__file__).parents[3] / "deploy" / "prometheus" / "prometheus.yml"


def test_promtool_accepts_the_configuration() -> None:
    checked = component("promtool").run("check", "config", str(CONFIG))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "WARN" not in checked.stdout + checked.stderr


def test_each_process_is_scraped_on_loopback() -> None:
    jobs = re.findall(r'job_name: (\S+)\n\s+static_configs:\n\s+- targets: \["(\S+)"\]', CONFIG.read_text())
    assert jobs == [("dnsfilter", "127.0.0.1:9153"), ("dnsfilter-api", "127.0.0.1:9154")]
