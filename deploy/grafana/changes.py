"""The dashboard Changes: what was switched, when, and does every node have it?"""

from bans import MODE, MODES, of_bans
from grafana_foundation_sdk.models.common import BigValueTextMode
from panels import (
    ANYTHING_ANSWERS,
    API_ANSWERS,
    AUTHORITY,
    ON_NODE,
    OR_ALL,
    ZERO_IS_USUAL,
    Panel,
    build,
    everybody,
    gained,
    named,
    some,
)

ACTS = 'dnsfilter_api_requests_total{method!~"GET|HEAD",route!~"/v1/nodes/self/.*",status=~"2.."}'
EXEMPTIONS = some(f"sum by (authority, state) (dnsfilter_exemptions{{{AUTHORITY}}})", "authority", API_ANSWERS)

NOW = (
    Panel(
        title="Published revision", kind="stat", decimals=0,
        question="Which revision of the policy is published?",
        queries={"{{instance}}": "dnsfilter_api_published_revision"},
    ),
    Panel(
        title="Recorded, not published", kind="stat", decimals=0, colours=ZERO_IS_USUAL,
        question="How many revisions are recorded, but not yet published?",
        queries={"{{instance}}": "dnsfilter_api_database_revision - dnsfilter_api_published_revision"},
    ),
    Panel(
        title="Revision in force", kind="stat", decimals=0,
        question="By which revision does each node decide? If they differ, some have an older policy.",
        queries={"{{instance}}": f"dnsfilter_snapshot_revision{ON_NODE}"},
    ),
    Panel(
        title="Age of the policy", kind="stat", unit="s",
        question="How old is the policy in force? Its age grows while nothing changes, which is not a fault.",
        queries={"{{instance}}": f"dnsfilter_snapshot_age_seconds{ON_NODE}"},
    ),
    Panel(
        title="Version of the nodes", kind="stat", text=BigValueTextMode.NAME,
        question="Which version and engine does each node run?",
        queries={"{{instance}} {{version}} {{engine}}": f"dnsfilter_build_info{ON_NODE}"},
    ),
    Panel(
        title="Version of the API", kind="stat", text=BigValueTextMode.NAME,
        question="Which version does the control plane run?",
        queries={"{{instance}} {{version}}": "dnsfilter_api_build_info"},
    ),
    Panel(
        title="Revision reported by each node", kind="table",
        columns={"node": "Node", "site": "Site", "Value": "Revision"},
        question="Which revision did each node last report?",
        queries={"": 'max by (node, site) (dnsfilter_api_node_revision{site=~"$site"})'},
    ),
    Panel(
        title="Time since the report of each node", kind="table", unit="s",
        columns={"node": "Node", "site": "Site", "Value": "Reported before"},
        colours=((None, "green"), (60, "orange")),
        question="How long ago did each node last report?",
        queries={"": 'max by (node, site) (dnsfilter_api_node_report_age_seconds{site=~"$site"})'},
    ),
)  # fmt: skip

WHEN = (
    Panel(
        title="Mode of each ban", kind="timeline", values=MODES,
        question="When was which ban switched? `dnsfilterctl audit list` shows who did it, and why.",
        queries={"{{authority}} {{service}}": MODE},
    ),
    Panel(
        title="Terms", kind="timeline", values={"0": ("no term", "red"), "1": ("in force", "green")},
        question="When did terms begin and end?",
        queries={"{{authority}} {{service}}": of_bans(f"in_force{{{AUTHORITY}}}")},
    ),
    Panel(
        title="Suspensions", kind="timeline", values={"0": ("none", "green"), "1": ("suspended", "red")},
        question="When was nothing refused, and for whom?",
        queries={"{{authority}}": f"{everybody(f'max by (authority) (dnsfilter_suspended{{{OR_ALL}}})')} "
                 f"or on () {named('nobody', 'authority', f'0 * {ANYTHING_ANSWERS}')}"},
    ),
    Panel(
        title="Queries for pending names per hour", decimals=0, step="1h", nothing="no pending name was asked for",
        question="How often do devices ask for new names of each service, which bans only monitor for now?",
        queries={"{{service}}": f"sum by (service) (increase(dnsfilter_pending_total[1h]){ON_NODE})"},
    ),
    Panel(
        title="Changes of the policy per hour", decimals=0, step="1h", nothing="no hour is over yet",
        question="How many revisions were published in each hour?",
        queries={"revisions": "round(increase(dnsfilter_api_published_revision[1h]))"},
    ),
    Panel(
        title="Acts through the API per hour", decimals=0, step="1h", nothing="no hour is over yet",
        question="How many requests changed something, by what they changed?",
        queries={"{{method}} {{route}}": f"round(sum by (method, route) {gained(ACTS, '1h')})"},
    ),
    Panel(
        title="Exemptions", decimals=0,
        question="How did exemptions in force and requests that wait develop?",
        queries={"{{authority}} {{state}}": EXEMPTIONS},
    ),
    Panel(
        title="Authentication failures", unit="ops",
        question="Does somebody try tokens that are not valid?",
        queries={"{{reason}}": "sum by (reason) (rate(dnsfilter_api_refused_tokens_total[$__rate_interval]))"},
    ),
)  # fmt: skip

CHANGES = build(
    "dnsfilter: Changes", "dnsfilter-changes", "What was switched, when, and does every node have it?",
    {"": NOW, "What was switched": WHEN},
)  # fmt: skip
