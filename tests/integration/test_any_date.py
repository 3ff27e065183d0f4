"""The tests pass at any date and hour, in any time zone, and right after a boot."""

import os
import subprocess
import sys
from datetime import datetime

import pytest

from tests.support.components import PROJECT
from tests.support.fake_clock import moved_to
from tests.support.namespaces import just_booted

pytestmark = pytest.mark.slow

READERS = (
    "tests/conformance/test_rfc9520.py",
    "tests/unit/cli",
    "tests/unit/control",
    "tests/unit/local",
)
"""Tests of code that reads the machine's clocks."""
PATHS = os.environ.get("DNSFILTER_ANY_DATE", " ".join(READERS)).split()
PATIENCE_S = 3_600


@pytest.mark.parametrize(
    ("at", "zone", "locale"),
    [
        ("2026-12-31T23:59:50Z", "UTC", "C"),  # before the new year in UTC
        ("2026-12-31T22:59:50Z", "Asia/Kolkata", "C.UTF-8"),  # before the new year in Brussels; it is 1 January here
        ("2028-02-29T12:00:00Z", "UTC", "C.UTF-8"),
        ("2027-03-28T00:59:50Z", "Asia/Kolkata", "C"),  # before summer time begins
        ("2027-10-31T00:59:50Z", "UTC", "C.UTF-8"),  # before it ends
    ],
)
def test_the_tests_depend_on_no_date_hour_zone_locale_or_uptime(at: str, zone: str, locale: str) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-m", "not heavy and not slow or real_clock")
    done = subprocess.run(
        [*just_booted(), sys.executable, "-m", "pytest", *options, *PATHS],
        cwd=PROJECT,
        env={**moved_to(datetime.fromisoformat(at)), "TZ": zone, "LC_ALL": locale, "DNSFILTER_EXAMPLES": "5"},
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr
