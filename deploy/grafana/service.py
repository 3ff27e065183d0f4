"""The dashboard Service: is DNS well, are the bans enforced, what changed last? Below, the details."""

from first_screen import CHANGED, ENFORCED_NOW, FAILED, QUERIES, SERVFAIL, WAIT, WELL
from objectives import OBJECTIVES
from panels import ON_NODE, ONE_IS_GOOD, VALIDITY, ZERO_IS_GOOD, ZERO_IS_USUAL, Panel, build, named, rate, some

CACHED = f'{QUERIES}{{outcome="cached"}}'
LOOKED_UP = f'{QUERIES}{{outcome=~"cached|forwarded|stale|failed"}}'
BACKUP_AGE = ((None, "green"), (1.5 * 86_400, "orange"), (2 * 86_400, "red"))
WAITING = ((None, "green"), (900, "orange"), (3600, "red"))

NODES = (
    Panel(
        title="Control plane", kind="stat", colours=ONE_IS_GOOD, values={"0": ("down", "red"), "1": ("up", "green")},
        question="Does Prometheus reach the control plane? Nodes answer without it.",
        queries={"{{instance}}": 'up{job="dnsfilter-api"}'},
    ),
    Panel(
        title="Workers", kind="stat", colours=ONE_IS_GOOD,
        question="How many workers of each node serve clients?",
        queries={"{{instance}}": f"dnsfilter_workers{ON_NODE}"},
    ),
    Panel(
        title="Default upstreams", kind="stat", colours=ONE_IS_GOOD,
        question="How many upstreams answer for names outside conditional zones? With 0, most names fail.",
        queries={"{{instance}}": f"dnsfilter_default_upstreams_up{ON_NODE}"},
    ),
    Panel(
        title="Clock", kind="stat", values={"0": ("trusted", "green"), "1": ("not trusted", "red")},
        question="Is the clock of each node trusted? Not while it is earlier than the making of the policy in force, "
        "or has jumped ahead.",
        queries={"{{instance}}": f"dnsfilter_clock_doubted{ON_NODE}"},
    ),
    Panel(
        title="Engine", kind="stat", values={"0": ("as configured", "green"), "1": ("fell back", "red")},
        question="Did workers have to fall back to the reference engine?",
        queries={"{{instance}}": f"dnsfilter_engine_fallback{ON_NODE}"},
    ),
    Panel(
        title="Worker restarts", kind="stat", decimals=0, colours=ZERO_IS_USUAL,
        question="How many workers were restarted in the time shown? The log has the reason of each.",
        queries={"{{instance}}": f"increase(dnsfilter_worker_restarts_total[$__range]){ON_NODE}"},
    ),
    Panel(
        title="Snapshots quarantined", kind="stat", decimals=0, colours=ZERO_IS_GOOD,
        question="Were snapshots set aside in the time shown because they made workers crash?",
        queries={"{{instance}}": f"increase(dnsfilter_snapshots_quarantined_total[$__range]){ON_NODE}"},
    ),
    Panel(
        title="Bans lifted", kind="stat", values={"0": ("none", "green"), "1": ("some", "red")},
        question="Does a node answer banned names because an older snapshot took the place of the current one?",
        queries={"{{instance}}": f"dnsfilter_bans_lifted{ON_NODE}"},
    ),
    Panel(
        title="Only in memory", kind="stat", values={"0": ("nothing", "green"), "1": ("some", "red")},
        question="Does the disk of a node not take a policy or a local suspension that is in force?",
        queries={"{{instance}}": f"dnsfilter_unwritten{ON_NODE}"},
    ),
    Panel(
        title="Names set on nodes", kind="stat", decimals=0, colours=ZERO_IS_USUAL,
        question="How many names does a node refuse or allow by itself, by an act on it?",
        queries={"{{instance}}": f"sum by (instance) (dnsfilter_local_names{ON_NODE}) "
                 f"or 0 * sum by (instance) (dnsfilter_workers{ON_NODE})"},
    ),
    Panel(
        title="Started", kind="stat", unit="dateTimeFromNow",
        question="How long ago did the supervisor of each node start?",
        queries={"{{instance}}": f"(process_start_time_seconds{ON_NODE}) * 1000"},
    ),
    Panel(
        title="Counts lost", kind="stat", decimals=0, colours=ZERO_IS_USUAL,
        question="Could counts not be assigned to an authority, or had pending names no room, in the time shown?",
        queries={"lost": f"sum(increase(dnsfilter_policy_counts_lost_total[$__range]){ON_NODE})",
                 "pending names": f"sum(increase(dnsfilter_pending_lost_total[$__range]){ON_NODE})"},
    ),
)  # fmt: skip

RIGHT = (
    Panel(
        title="Queries by outcome", unit="qps", is_magnified=True,
        question="How many queries arrive per second, and how are they answered? Small numbers have as much room as "
        "large ones.",
        queries={"{{outcome}}": some(f"sum by (outcome) {rate(QUERIES)} > 0", "outcome")},
    ),
    Panel(
        title="Share of SERVFAIL", unit="percentunit", colours=SERVFAIL,
        question="Which share of the queries did no upstream answer, while the cache had no expired answer?",
        queries={"{{instance}}": f'(sum by (instance) {rate(FAILED)} or 0 * sum by (instance) {rate(QUERIES)}) / '
                 f"sum by (instance) {rate(QUERIES)}"},
    ),
    Panel(
        title="Time to answer", unit="s", colours=WAIT,
        question="How long do clients wait for an answer? Measured on a sample of all queries.",
        queries={
            f"{name} {{{{instance}}}}": f"histogram_quantile({quantile}, sum by (instance, le) "
            f"{rate('dnsfilter_answer_duration_seconds_bucket')})"
            for name, quantile in (("half within", 0.5), ("99 % within", 0.99))
        },
    ),
    Panel(
        title="Share answered from the cache", unit="percentunit",
        question="Which share of the queries that need the cache or an upstream does the cache answer?",
        queries={"cache": f'sum{rate(CACHED)} / sum{rate(LOOKED_UP)}'},
    ),
    Panel(
        title="Response time of upstreams", unit="s",
        question="Is an upstream, or the way to it, slow?",
        queries={
            f"{name} {{{{upstream}}}}": f"histogram_quantile({quantile}, sum by (upstream, le) "
            f"{rate('dnsfilter_upstream_duration_seconds_bucket')})"
            for name, quantile in (("half within", 0.5), ("99 % within", 0.99))
        },
    ),
    Panel(
        title="Failures of upstreams", unit="qps",
        question="Which upstream fails, and how?",
        queries={"{{upstream}} {{reason}}": f"sum by (upstream, reason) {rate('dnsfilter_upstream_failures_total')}"},
    ),
    Panel(
        title="Queries to upstreams", unit="qps",
        question="How many queries does each upstream get, with retries and probes?",
        queries={"{{upstream}}": f"sum by (upstream) {rate('dnsfilter_upstream_queries_total')}"},
    ),
    Panel(
        title="Queries to encrypted upstreams in clear text", unit="qps",
        question="Do names leave the office unencrypted, because all encrypted upstreams fail?",
        queries={
            "{{upstream}}": some(f"sum by (upstream) {rate('dnsfilter_upstream_clear_text_total')} > 0", "upstream"),
        },
    ),
    Panel(
        title="Queries by type", unit="qps", is_magnified=True,
        question="Which record types do clients ask for?",
        queries={"{{type}}": some(f"sum by (type) {rate('dnsfilter_query_types_total')} > 0", "type")},
    ),
    Panel(
        title="Replies by code", unit="qps", is_magnified=True,
        question="What do clients get: data, or that a name does not exist, is refused or fails?",
        queries={"{{rcode}}": some(f"sum by (rcode) {rate('dnsfilter_responses_total')} > 0", "rcode")},
    ),
    Panel(
        title="Answers with private addresses withheld", unit="qps",
        question="Does somebody point public names into this network, or does a name need an exception?",
        queries={"answers": f"sum{rate('dnsfilter_rebinding_blocked_total')}"},
    ),
    Panel(
        title="Queries by transport", unit="qps",
        question="How many clients ask over TCP, which is slower?",
        queries={"{{transport}}": f"sum by (transport) {rate(QUERIES)}"},
    ),
)  # fmt: skip

PLANE = (
    Panel(
        title="Database", kind="stat", values={"0": ("intact", "green"), "1": ("damaged", "red")},
        question="Are the database and the hash chain of the audit log intact?",
        queries={"{{instance}}": "dnsfilter_api_database_damaged"},
    ),
    Panel(
        title="Age of the backup", kind="stat", unit="s", colours=BACKUP_AGE, values={"-1": ("never", "red")},
        question="How much is lost with the machine?",
        queries={"{{instance}}": 'dnsfilter_api_backup_age_seconds '
                 'or on (instance) -1 * (up{job="dnsfilter-api"} == 1)'},
    ),
    Panel(
        title="Age of the checkpoint", kind="stat", unit="s",
        question="How long ago was the audit log signed? No checkpoint is made while there are no new entries.",
        queries={"{{instance}}": "dnsfilter_api_audit_checkpoint_age_seconds"},
    ),
    Panel(
        title="Checkpoints undelivered", kind="stat", colours=ZERO_IS_USUAL, values={"-1": ("none", "orange")},
        question="How many checkpoints does each destination lack?",
        queries={"{{destination}}": "dnsfilter_api_checkpoints_undelivered or on () "
                 + named("destinations", "destination", "max(dnsfilter_api_checkpoint_destinations == 0) - 1")},
    ),
    Panel(
        title="Notices and events waiting", kind="stat", unit="s", colours=WAITING,
        values={"-1": ("no mail server", "text")},
        question="For how long has the oldest notice, or event for a receiver, waited?",
        queries={"notices": "dnsfilter_api_notice_waiting_seconds or on (instance) "
                 '-1 * (up{job="dnsfilter-api"} == 1)',
                 "{{receiver}}": "dnsfilter_api_event_waiting_seconds"},
    ),
    Panel(
        title="Certificate", kind="stat", unit="s", colours=VALIDITY,
        values={"0": ("no TLS of its own", "text")},
        question="For how long is the certificate of the API still valid?",
        queries={"{{instance}}": "dnsfilter_api_certificate_expiry_timestamp_seconds - time() or on (instance) "
                 '0 * (up{job="dnsfilter-api"} == 1)'},
    ),
    Panel(
        title="Requests to the API", unit="reqps",
        question="How busy is the API, and does it answer with errors?",
        queries={"{{status}}": "sum by (status) (rate(dnsfilter_api_requests_total[$__rate_interval]))"},
    ),
    Panel(
        title="Time of requests", unit="s",
        question="Is the API slow? Nodes that wait for a policy are left out.",
        queries={"99 % within": "histogram_quantile(0.99, sum by (le) (rate("
                 'dnsfilter_api_request_duration_seconds_bucket{route!~"/v1/nodes/.*"}[$__rate_interval])))'},
    ),
)  # fmt: skip

SERVICE = build(
    "dnsfilter: Service", "dnsfilter-service", "Is DNS well, are the bans enforced, and what changed last?",
    {"Is DNS well?": WELL, "Are the bans enforced?": ENFORCED_NOW, "What changed last?": CHANGED,
     "Error budgets of 30 days": OBJECTIVES, "Is it fast and right?": RIGHT, "Nodes": NODES, "Control plane": PLANE},
)  # fmt: skip
