"""Numbers that explanations and SECURITY print are those of the code."""

import re

import pytest

from api.auth import authentication_failures as failures
from api.usage.state import COVERAGE_KEPT_S, DAYS_KEPT_MONTHS, HIDDEN_BELOW, HOURS_KEPT_S, NODES_KEEP_S
from dnsfilter.cache.failure_cache import FIRST_HOLD_MS, LONGEST_HOLD_MS
from dnsfilter.config.node_config import MAX_LEARNING_S, Limits
from dnsfilter.control.refused_queries import MOST_KEPT
from dnsfilter.engine.reference.pool import POOL_SIZE
from dnsfilter.engine.refused_clients import MOST_REFUSED
from dnsfilter.local.journal import KEPT_REPORTED, MAX_ENTRIES
from dnsfilter.policy.bounds import CAPTURE_KEPT_S, MAX_SUSPENSION_S, MIN_COUNTED_ADDRESSES, MOST_CAPTURES
from dnsfilter.policy.model import DAY_S
from dnsfilter.supervisor.reload_steps import READ_S
from dnsfilter.telemetry.recent_names import KEPT_MINUTES, SLOTS
from dnsfilter.upstream.attempt import MAX_SENDS, MAX_SENDS_TO_ONE, TOTAL_MS
from dnsfilter.upstream.stream_pool import CONNECTIONS_PER_SERVER
from tests.support.documents import text

WORDS = {3: "three", 4: "four"}
LIMITS = Limits()
SECURITY, FAILURES, PRIVACY, COUNTING = (
    "docs/SECURITY.md",
    "docs/explanation/failures.md",
    "docs/explanation/privacy.md",
    "docs/explanation/counting.md",
)


@pytest.mark.parametrize(
    ("page", "statement"),
    [
        (SECURITY, f"{failures.BURST} wrong tokens at once, then one every {failures.INTERVAL_S:.0f} seconds"),
        (SECURITY, f"send {failures.ALL_BURST}, then {1 / failures.ALL_INTERVAL_S:.0f} a second"),
        (SECURITY, f"from {POOL_SIZE} connected sockets per server"),
        (SECURITY, f"for at most {WORDS[MAX_SUSPENSION_S // 3600]} hours"),
        (SECURITY, f"for at most {MAX_LEARNING_S // DAY_S} days"),
        (FAILURES, f"{WORDS[MAX_SENDS]} sends in all, {WORDS[MAX_SENDS_TO_ONE]} to one server"),
        (FAILURES, f"at most {TOTAL_MS / 1000} s with TCP"),
        (FAILURES, f"remembered for {FIRST_HOLD_MS // 1000} s to {LONGEST_HOLD_MS // 60_000} min"),
        (FAILURES, f"waiting questions per client ({LIMITS.waiting_per_client})"),
        (FAILURES, f"TCP connections ({LIMITS.connections:,}; {LIMITS.connections_per_client} per client)"),
        (FAILURES, f"connections to an upstream ({CONNECTIONS_PER_SERVER} per worker)"),
        (FAILURES, f"cannot be read within {READ_S:.0f} s"),
        (PRIVACY, f"{failures.KEPT_S // DAY_S} days, at most {failures.MAX_KEPT:,}"),
        (PRIVACY, f"{KEPT_REPORTED} acts that are reported, {MAX_ENTRIES:,} that are not"),
        (PRIVACY, f"in the last {KEPT_MINUTES} minutes"),
        (PRIVACY, f"at most {SLOTS} names of each outcome"),
        (PRIVACY, f"{CAPTURE_KEPT_S // 3600} hours after the end"),
        (PRIVACY, f"At most {MOST_CAPTURES} captures"),
        (PRIVACY, f"at most {COVERAGE_KEPT_S // DAY_S + 1} days"),
        (COUNTING, f"for {HOURS_KEPT_S // DAY_S} days, by day for {DAYS_KEPT_MONTHS // 12} years"),
        (COUNTING, f"for {NODES_KEEP_S // 3600} hours if the control plane is away"),
        (COUNTING, f"`<{HIDDEN_BELOW}`"),
        (COUNTING, f"at least {MIN_COUNTED_ADDRESSES} addresses"),
        (COUNTING, f"at most {MOST_REFUSED} refused queries per worker"),
        (COUNTING, f"at most {MOST_KEPT:,} counts"),
    ],
)
def test_a_page_prints_the_number_of_the_code(page: str, statement: str) -> None:
    assert statement in re.sub(r"\s+", " ", text(page))
