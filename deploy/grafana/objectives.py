"""The row of the dashboard Service on its objectives: 99.9 % of queries answered, 99 % within 100 ms, over 30 days."""

from first_screen import FAILED, QUERIES
from panels import ON_NODE, Panel, known

LOST = "dnsfilter_datagrams_dropped_total"
TIMED = "dnsfilter_answer_duration_seconds_count"
IN_TIME = 'dnsfilter_answer_duration_seconds_bucket{le="0.1"}'
UNANSWERED_SHARE, SLOW_SHARE = 0.001, 0.01
"""What the objectives allow: the error budgets."""
LEFT = ((None, "red"), (0, "orange"), (0.25, "green"))
BURN = ((None, "green"), (1, "orange"), (14.4, "red"))
"""At 1 a budget lasts for its 30 days, at 14.4 for two."""


def in_30_days(*counters: str) -> str:
    """Return the expression for the sum of counters in 30 days on the chosen nodes, from one scrape in ten minutes."""
    return "(" + " + ".join(f"(sum(increase({each}[30d:10m]){ON_NODE}) or vector(0))" for each in counters) + ")"


def left(bad: str, total: str, allowed: float) -> str:
    """Return the expression for the share of an error budget that is left. It is unknown while nobody asks."""
    return known(f"1 - {bad} / ({total} > 0) / {allowed}")


OBJECTIVES = (
    Panel(
        title="Budget for unanswered queries", kind="stat", unit="percentunit", decimals=0, colours=LEFT, height=8,
        question="How much of the 0.1 % of queries that may fail or be dropped in 30 days is left? Below 0, fewer than "
        "99.9 % were answered. Counted as far back as Prometheus remembers.",
        queries={"left": left(in_30_days(FAILED, LOST), in_30_days(QUERIES, LOST), UNANSWERED_SHARE)},
    ),
    Panel(
        title="Budget for slow answers", kind="stat", unit="percentunit", decimals=0, colours=LEFT, height=8,
        question="How much of the 1 % of answers that may take longer than 100 ms in 30 days is left? Counted as far "
        "back as Prometheus remembers.",
        queries={"left": left(f"({in_30_days(TIMED)} - {in_30_days(IN_TIME)})", in_30_days(TIMED), SLOW_SHARE)},
    ),
    Panel(
        title="Use of the budgets", width=16, colours=BURN, decimals=1, is_magnified=True,
        question="How fast do the nodes use their budgets? At 1 a budget lasts for 30 days, at 14.4 for two.",
        queries={
            f"{name} in {span} {{{{instance}}}}": f"(dnsfilter:{name}:ratio_rate{span}{ON_NODE}) / {allowed}"
            for name, allowed in (("unanswered", UNANSWERED_SHARE), ("slow", SLOW_SHARE))
            for span in ("1h", "6h")
        },
    ),
)  # fmt: skip
