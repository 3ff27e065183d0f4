"""The first screen of the dashboard Service: is DNS well, are the bans enforced, what changed last?"""

from bans import BAN_COLUMNS, ENFORCED, NOT_ENFORCED, REFUSED_NOW, REFUSING, SUSPENDED
from panels import (
    API_ANSWERS,
    ON_NODE,
    ONE_IS_GOOD,
    OR_ALL,
    ZERO_IS_GOOD,
    Panel,
    everybody,
    known,
    named,
    rate,
)

QUERIES = "dnsfilter_queries_total"
FAILED = f'{QUERIES}{{outcome="failed"}}'
ANSWERED_WITHIN = "dnsfilter_answer_duration_seconds_bucket"
SERVFAIL = ((None, "green"), (0.01, "orange"), (0.05, "red"))
WAIT = ((None, "green"), (0.1, "orange"), (1, "red"))
"""The objective is 99 % within 100 ms."""
CHANGES = {
    "adopted": "ban adopted",
    "allowed": "one name allowed",
    "began": "term began",
    "changed": "ban changed",
    "confirmed": "provisional ban confirmed",
    "ended": "ban ended early",
    "enforce": "switched to enforce",
    "lapsed": "ban lapsed",
    "monitor": "switched to monitor",
    "off": "switched off",
    "refused": "one name refused",
    "removed": "ban removed",
    "renewed": "ban renewed",
    "resumed": "suspension ended",
    "suspended": "suspended: nothing is refused",
}
_CHANGES = everybody(f"max by (authority, service, change) (dnsfilter_change_timestamp_seconds{{{OR_ALL}}})")
LAST_CHANGES = f'label_replace({_CHANGES}, "service", "all", "service", "") * 1000'

WELL = (
    Panel(
        title="Queries per second", kind="stat", unit="qps", decimals=1, is_headline=True,
        question="How many queries do the nodes get?",
        queries={"queries": known(f"sum {rate(QUERIES)}")},
    ),
    Panel(
        title="99 % answered within", kind="stat", unit="s", colours=WAIT, is_headline=True,
        question="How long does the slowest of a hundred clients wait? Measured on a sample of the queries. Unknown "
        "while nobody asks.",
        queries={"99 %": known(f"histogram_quantile(0.99, sum by (le) {rate(ANSWERED_WITHIN)})")},
    ),
    Panel(
        title="SERVFAIL", kind="stat", unit="percentunit", decimals=2, colours=SERVFAIL, is_headline=True,
        question="Which share of the queries did no upstream answer? Unknown while nobody asks.",
        queries={"of all queries": known(f"(sum {rate(FAILED)} or 0 * sum {rate(QUERIES)}) / sum {rate(QUERIES)}")},
    ),
    Panel(
        title="Upstreams", kind="stat", colours=ONE_IS_GOOD, values={"-1": ("fails", "red")},
        question="How many upstreams answer, and which fail?",
        queries={
            "answer": known(f"sum(dnsfilter_upstream_up{ON_NODE})"),
            "{{upstream}} of {{instance}}": f"((dnsfilter_upstream_up == 0){ON_NODE}) - 1",
        },
    ),
    Panel(
        title="Nodes", kind="stat", colours=ONE_IS_GOOD, values={"-1": ("down", "red")},
        question="How many nodes does Prometheus reach, and which not? All sites: one that is down has no site.",
        queries={
            "up": known('sum(up{job="dnsfilter"})'),
            "{{instance}}": '(up{job="dnsfilter"} == 0) - 1',
        },
    ),
    Panel(
        title="Alerts", kind="stat", colours=ZERO_IS_GOOD,
        question="How many alerts fire now? Alertmanager and the runbook say more.",
        queries={"{{severity}}": 'count by (severity) (ALERTS{alertstate="firing",alertname=~"Dnsfilter.*"}) or on () '
                 + named("none fires", "severity", "vector(0)")},
    ),
)  # fmt: skip

ENFORCED_NOW = (
    ENFORCED,
    NOT_ENFORCED,
    Panel(
        title="Refused per second", kind="stat", unit="qps", decimals=2, is_headline=True,
        question="How many queries do the bans refuse?",
        queries={"refused": known(f"sum {rate(REFUSED_NOW)}", f"0 * sum {rate(QUERIES)}")},
    ),
    SUSPENDED,
    Panel(
        title="Nodes by state", kind="stat", troubled=("held", "behind", "silent"),
        question="How many nodes have the published policy? Behind: they report, but decide by an older one. Held: an "
        "older one was chosen on the node. Silent: they have not reported for a minute.",
        queries={"{{state}}": '(sum by (state) (dnsfilter_api_nodes{state!="removed"}) > 0) '
                 f"or on () {named('none', 'state', f'0 * {API_ANSWERS}')} "
                 f"or on () {named('API', 'state', 'vector(NaN)')}"},
    ),
)  # fmt: skip

CHANGED = (
    Panel(
        title="Last change", kind="stat", unit="dateTimeFromNow", height=8,
        question="How long ago did an act change the policy?",
        queries={"policy": known("max(dnsfilter_api_policy_changed_timestamp_seconds) * 1000")},
    ),
    Panel(
        title="Last changes", kind="table", unit="dateTimeFromNow", height=8,
        question="What happened to bans, and to whom was nothing refused? `dnsfilterctl audit list` shows who and why.",
        columns={"Value": "When", **BAN_COLUMNS, "change": "Change"}, names={"Change": CHANGES},
        queries={"": f"sort_desc({LAST_CHANGES})"},
    ),
    Panel(
        title="Refused per second, by ban", unit="qps", width=8,
        question="Which bans refuse now? The twenty that refuse most.",
        queries={"{{authority}} {{service}}": REFUSING},
    ),
)  # fmt: skip
