"""The dashboard Bans: what do the bans do, and what ends when?"""

from panels import (
    ANYTHING_ANSWERS,
    API_ANSWERS,
    AUTHORITY,
    ON_NODE,
    OR_ALL,
    ZERO_IS_GOOD,
    ZERO_IS_USUAL,
    Panel,
    build,
    everybody,
    gained,
    if_api_answers,
    named,
    rate,
    some,
)

MODES = {
    "-1": ("no term", "purple"), "0": ("off", "red"), "1": ("monitor", "orange"), "2": ("enforce", "green"),
}  # fmt: skip
BAN_COLUMNS = {"authority": "Authority", "service": "Service"}
END = f"dnsfilter_ban_end_timestamp_seconds{{{AUTHORITY}}}"
REVIEW = f"dnsfilter_ban_review_timestamp_seconds{{{AUTHORITY}}}"
REFUSED_NOW = f"dnsfilter_refused_total{{{AUTHORITY}}}"

NONE = named("none", "authority", f"0 * {API_ANSWERS}")
"""The only row of a table that has no other, while the API answers."""


def of_bans(metric: str, condition: str = "") -> str:
    """Return the expression for a metric of the chosen authorities' bans, one series for each ban."""
    return f"max by (authority, service) (dnsfilter_ban_{metric}{condition})"


def of_each_ban(counter: str) -> str:
    """Return the expression for a counter per second, for each ban."""
    return f"sum by (authority, service) {rate(counter)}"


REFUSING = some(f"topk(20, {of_each_ban(REFUSED_NOW)} > 0)", "authority")
"""The bans that refuse most."""


def in_mode(mode: str) -> str:
    """Return the expression for the bans that have a term and this mode: 1 for each."""
    has_mode = of_bans(f'mode{{{AUTHORITY},mode="{mode}"}}', " == 1")
    return f"({has_mode} and on (authority, service) {of_bans(f'in_force{{{AUTHORITY}}}', ' == 1')})"


MODE = (
    f"{in_mode('enforce')} * 2 or {in_mode('monitor')} or {in_mode('off')} * 0 "
    f"or {of_bans(f'info{{{AUTHORITY}}}')} * -1"
)
"""The mode of each ban, or -1 for one without a term in force."""
ENFORCED_BANS = (
    f"{in_mode('enforce')} unless on (authority) max by (authority) (dnsfilter_suspended == 1) "
    'unless on () (dnsfilter_suspended{authority=""} == 1)'
)

ENFORCED = Panel(
    title="Bans enforced", kind="stat", decimals=0, is_headline=True,
    question="How many bans refuse now: they have a term, the mode is enforce, and nobody suspended them?",
    queries={"enforced": if_api_answers(f"count({ENFORCED_BANS})")},
)  # fmt: skip
NOT_ENFORCED = Panel(
    title="Bans not enforced", kind="stat", width=8, decimals=0, colours=ZERO_IS_USUAL,
    question="How many bans are off, only monitor, or have no term now, because they lapsed or have not begun?",
    queries={
        "off": if_api_answers(f'count({in_mode("off")})'),
        "monitor": if_api_answers(f'count({in_mode("monitor")})'),
        "no term": if_api_answers(f"count({of_bans(f'in_force{{{AUTHORITY}}}', ' == 0')})"),
    },
)  # fmt: skip
SUSPENDED = Panel(
    title="Suspended", kind="stat", colours=ZERO_IS_GOOD, values={"0": ("nobody", "green"), "1": ("suspended", "red")},
    question="For whom is nothing refused now? A suspension ends after at most four hours.",
    queries={"{{authority}}": f"{everybody(f'max by (authority) (dnsfilter_suspended{{{OR_ALL}}})')} "
             f"or on () {named('suspended', 'authority', f'0 * {ANYTHING_ANSWERS}')} "
             f"or on () {named('suspended', 'authority', 'vector(NaN)')}"},
)  # fmt: skip


def counted(metric: str, by: str, span: str) -> str:
    """Return the expression for numbers of queries without decimals in each span.

    Only the 20 highest at each point: nobody can read a graph of thousands of bans.
    """
    label = by.partition(",")[0]
    return some(f"topk(20, round(sum by ({by}) ({gained(f'{metric}{{{AUTHORITY}}}', span)}{ON_NODE})))", label)


STATE = (
    ENFORCED,
    NOT_ENFORCED,
    SUSPENDED,
    Panel(
        title="Exemptions", kind="stat", decimals=0,
        question="How many exemptions are in force, and how many requests wait?",
        queries={
            name: if_api_answers(f'sum(dnsfilter_exemptions{{{AUTHORITY},state="{state}"}})')
            for name, state in (("in force", "in_force"), ("waiting", "waiting"))
        },
    ),
    Panel(
        title="Oldest request", kind="stat", unit="s",
        colours=((None, "green"), (86_400, "orange"), (3 * 86_400, "red")),
        question="For how long has the oldest request for an exemption waited? The five that waited longest.",
        values={"0": ("none waits", "green")},
        queries={"{{authority}}":
                 f"topk(5, max by (authority) (dnsfilter_exemption_waiting_seconds{{{AUTHORITY}}}) > 0) or on () "
                 f"{named('requests', 'authority', f'0 * {API_ANSWERS}')}"},
    ),
    Panel(
        title="When each term ends", kind="table", unit="dateTimeAsIso",
        columns={**BAN_COLUMNS, "Value": "Ends"},
        question="When does each ban end, with the terms that follow without a gap? One without an end is not listed.",
        queries={"": f"sort(max by (authority, service) ({END}) * 1000)"},
    ),
    Panel(
        title="When each review is due", kind="table", unit="dateTimeAsIso",
        columns={**BAN_COLUMNS, "Value": "Review due"},
        question="By when must each ban without an end be reviewed?",
        queries={"": f"sort(max by (authority, service) ({REVIEW}) * 1000)"},
    ),
    Panel(
        title="Mode of each ban", kind="table", width=8, columns={**BAN_COLUMNS, "Value": "Mode"}, values=MODES,
        question="Which bans refuse, which only monitor, which are off, and which have no term?",
        queries={"": MODE},
    ),
    Panel(
        title="Reply and reference", kind="table", width=8,
        columns={**BAN_COLUMNS, "reply": "Reply", "reference": "Reference"},
        question="What do clients get, and which formal decision does the answer quote?",
        queries={"": f"max by (authority, service, reply, reference) (dnsfilter_ban_info{{{AUTHORITY}}})"},
    ),
    Panel(
        title="Off for", kind="table", width=8, unit="s",
        colours=((None, "text"), (86_400, "orange")),
        columns={**BAN_COLUMNS, "Value": "Off for"},
        question="For how long has each ban been off?",
        queries={"": f"sort_desc(time() - max by (authority, service) "
                 f"(dnsfilter_ban_off_since_timestamp_seconds{{{AUTHORITY}}})) or on () {NONE}"},
    ),
)  # fmt: skip

RANGES = (
    Panel(
        title="Ranges by state", decimals=0, troubled=("stopped",),
        question="Does the ban hold: of how many ranges do the devices ask this resolver?",
        queries={"{{state}}": f"sum by (state) (dnsfilter_ranges{{{AUTHORITY}}})"},
    ),
    Panel(
        title="Ranges that stopped or never asked", kind="table",
        columns={"authority": "Authority", "state": "State", "Value": "Ranges"},
        question="Which authorities have ranges whose devices do not ask this resolver, and how many?",
        queries={"": f'sum by (authority, state) (dnsfilter_ranges{{{AUTHORITY},state=~"stopped|never"}}) > 0 '
                 f"or on () {NONE}"},
    ),
)  # fmt: skip

UPDATES = (
    Panel(
        title="Updates held back", kind="table", colours=ZERO_IS_GOOD,
        columns={"authority": "Authority", "Value": "Updates"},
        question="Whose services have new names that the guard stopped? An empty authority is the catalogue.",
        queries={"": f'sum by (authority) (dnsfilter_updates{{{OR_ALL},state="held_back"}}) or on () {NONE}'},
    ),
    Panel(
        title="Names that are only monitored", decimals=0,
        question="How many new names of services are tried before they are refused? "
                 "dnsfilterctl update show gives their queries.",
        queries={"{{authority}}": f"sum by (authority) (dnsfilter_pending_names{{{OR_ALL}}}) or on () "
                 f"{named('names', 'authority', f'0 * {API_ANSWERS}')}"},
    ),
)  # fmt: skip

COUNTS = tuple(
    Panel(
        title=f"{name} per {span}", decimals=0, step=step, question=f"{question} The 20 highest per {span}.",
        nothing=f"no {span} is over yet",
        queries={"{{authority}} {{service}}": counted(metric, "authority, service", step)},
    )
    for name, metric, question in (
        ("Refused", "dnsfilter_refused_total", "How many queries did the bans refuse?"),
        ("Monitored", "dnsfilter_monitored_total", "How many queries would the bans in monitor mode refuse?"),
        ("Exempted", "dnsfilter_exempted_total", "How many queries passed because of exemptions and suspensions?"),
    )
    for span, step in (("hour", "1h"), ("day", "1d"))
)  # fmt: skip

NOW = (
    Panel(
        title="Refused per second", unit="qps",
        question="Which bans refuse now? The twenty that refuse most.",
        queries={"{{authority}} {{service}}": REFUSING},
    ),
    Panel(
        title="Monitored and exempted per second", unit="qps",
        question="Which bans count now without refusing? The ten of each kind that count most.",
        queries={f"{name} {{{{authority}}}} {{{{service}}}}":
                 some(f"topk(10, {of_each_ban(f'dnsfilter_{name}_total{{{AUTHORITY}}}')} > 0)", "authority")
                 for name in ("monitored", "exempted")},
    ),
)  # fmt: skip

SHOWN = tuple(
    Panel(
        title=f"{name} in the time shown", kind="bargauge", decimals=0, question=f"{question} The 20 highest.",
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
        title="Whose ban decided, per hour", decimals=0, step="1h", nothing="no hour is over yet",
        question="Which authority's ban matched in which authority, on which ground, and with which result?",
        queries={"{{ban_authority}} in {{authority}}: {{service}} {{result}} ({{ground}})":
                 counted("dnsfilter_ban_queries_total", "authority, service, ban_authority, ground, result", "1h")},
    ),
    Panel(
        title="Attempts to bypass, per authority and hour", decimals=0, step="1h", nothing="no hour is over yet",
        question="In which authority do devices look for another resolver? The 20 highest.",
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
    {"": STATE, "Ranges that ask": RANGES, "New names of services": UPDATES,
     "Queries that bans concern": (*NOW, *COUNTS, *SHOWN),
     "Whose ban, and around it": WHOSE},
)  # fmt: skip
