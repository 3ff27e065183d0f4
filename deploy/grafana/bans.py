"""The dashboard Bans: what do the bans do, and what ends when?"""

from panels import AUTHORITY, ON_NODE, Panel, build

MODES = {"0": ("off", "red"), "1": ("monitor", "orange"), "2": ("enforce", "green")}
MODE = (
    f'dnsfilter_ban_mode{{{AUTHORITY},mode="enforce"}} * 2 '
    f'+ ignoring (mode) dnsfilter_ban_mode{{{AUTHORITY},mode="monitor"}}'
)
BAN = ("authority", "service")
END = f"dnsfilter_ban_end_timestamp_seconds{{{AUTHORITY}}}"
REVIEW = f"dnsfilter_ban_review_timestamp_seconds{{{AUTHORITY}}}"
SUSPENDED = 'dnsfilter_suspended{authority=~"$authority|"}'


def counted(metric: str, by: str, span: str) -> str:
    """Return the expression for numbers of queries without decimals in each span."""
    return f"round(sum by ({by}) (increase({metric}{{{AUTHORITY}}}[{span}]){ON_NODE}))"


STATE = (
    Panel(
        title="When each term ends", kind="table", unit="dateTimeAsIso", columns=BAN,
        question="When does each ban end, with the terms that follow without a gap? One without an end is not listed.",
        queries={"": f"sort(max by (authority, service) ({END}) * 1000)"},
    ),
    Panel(
        title="When each review is due", kind="table", unit="dateTimeAsIso", columns=BAN,
        question="By when must each ban without an end be reviewed?",
        queries={"": f"sort(max by (authority, service) ({REVIEW}) * 1000)"},
    ),
    Panel(
        title="Mode of each ban", kind="table", columns=BAN, values=MODES,
        question="Which bans refuse, which only count, which are off?",
        queries={"": f"max by (authority, service) ({MODE})"},
    ),
    Panel(
        title="Reply and reference", kind="table", columns=(*BAN, "reply", "reference"),
        question="What do clients get, and which formal decision does the answer quote?",
        queries={"": f"max by (authority, service, reply, reference) (dnsfilter_ban_info{{{AUTHORITY}}})"},
    ),
    Panel(
        title="In force", kind="stat", decimals=0,
        question="How many bans have a term now?",
        queries={"bans": f"sum(dnsfilter_ban_in_force{{{AUTHORITY}}})"},
    ),
    Panel(
        title="Off for", kind="stat", unit="s", colours="zero is usual",
        question="For how long has each ban been off? No data: none is.",
        queries={"{{authority}} {{service}}": f"time() - dnsfilter_ban_off_since_timestamp_seconds{{{AUTHORITY}}}"},
    ),
    Panel(
        title="Suspended", kind="stat", colours="zero is good",
        question="For whom is nothing refused now?",
        queries={"{{authority}}": f'label_replace(max by (authority) ({SUSPENDED}), "authority", "everybody", '
                 '"authority", "") or on () vector(0)'},
    ),
    Panel(
        title="Exemptions", kind="stat", decimals=0,
        question="How many exemptions are in force, and how many requests wait?",
        queries={"{{state}}": f"sum by (state) (dnsfilter_exemptions{{{AUTHORITY}}})"},
    ),
    Panel(
        title="Oldest request", kind="stat", unit="s",
        question="For how long has the oldest request for an exemption waited?",
        queries={"{{authority}}": f"max by (authority) (dnsfilter_exemption_waiting_seconds{{{AUTHORITY}}})"},
    ),
)  # fmt: skip

RANGES = (
    Panel(
        title="Ranges by state", decimals=0, troubled=("stopped",),
        question="Does the ban hold: of how many ranges do the devices ask this resolver?",
        queries={"{{state}}": f"sum by (state) (dnsfilter_ranges{{{AUTHORITY}}})"},
    ),
    Panel(
        title="Ranges that stopped or never asked", kind="table", columns=("authority", "state"),
        question="Which authorities have ranges whose devices do not ask this resolver, and how many?",
        queries={"": f'sum by (authority, state) (dnsfilter_ranges{{{AUTHORITY},state=~"stopped|never"}}) > 0'},
    ),
)  # fmt: skip

COUNTS = tuple(
    Panel(
        title=f"{name} per {span}", decimals=0, step=step, question=f"{question} Numbers per {span}.",
        queries={"{{authority}} {{service}}": counted(metric, "authority, service", step)},
    )
    for name, metric, question in (
        ("Refused", "dnsfilter_refused_total", "How many queries did the bans refuse?"),
        ("Monitored", "dnsfilter_monitored_total", "How many queries would the bans in monitor mode refuse?"),
        ("Exempted", "dnsfilter_exempted_total", "How many queries passed because of exemptions and suspensions?"),
    )
    for span, step in (("hour", "1h"), ("day", "1d"))
)  # fmt: skip

SHOWN = tuple(
    Panel(
        title=f"{name} in the time shown", kind="bargauge", decimals=0, question=question,
        queries={"{{authority}} {{service}}": counted(metric, "authority, service", "$__range")},
    )
    for name, metric, question in (
        ("Refused", "dnsfilter_refused_total", "How many queries were refused in the time shown?"),
        ("Monitored", "dnsfilter_monitored_total", "How many queries would have been refused in the time shown?"),
        ("Exempted", "dnsfilter_exempted_total", "How many queries passed by exemptions in the time shown?"),
    )
)  # fmt: skip

WHOSE = (
    Panel(
        title="Whose ban decided, per hour", decimals=0, step="1h",
        question="Which authority's ban matched in which authority, on which ground, and with which result?",
        queries={"{{ban_authority}} in {{authority}}: {{service}} {{result}} ({{ground}})":
                 counted("dnsfilter_ban_queries_total", "authority, service, ban_authority, ground, result", "1h")},
    ),
    Panel(
        title="Attempts to bypass, per authority and hour", decimals=0, step="1h",
        question="In which authority do devices look for another resolver?",
        queries={"{{authority}} {{kind}}":
                 counted("dnsfilter_authority_bypass_attempts_total", "authority, kind", "1h")},
    ),
    Panel(
        title="Attempts to bypass, all networks", unit="qps",
        question="How often do devices look for another resolver, by kind? Unregistered networks are included.",
        queries={"{{kind}}": f"sum by (kind) (rate(dnsfilter_bypass_attempts_total[$__rate_interval]){ON_NODE})"},
    ),
)  # fmt: skip

BANS = build(
    "dnsfilter: Bans", "dnsfilter-bans", "What do the bans do, and what ends when?",
    {"": STATE, "Ranges that ask": RANGES, "Queries that bans concern": (*COUNTS, *SHOWN),
     "Whose ban, and around it": WHOSE},
)  # fmt: skip
