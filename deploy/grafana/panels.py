"""The parts of the dashboards: panels with their question, rows, variables, links and marks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    ScaleDistributionConfig,
)
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    BigValueTextMode,
    GraphTresholdsStyleMode,
    ScaleDistribution,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

RUNBOOK = "https://dns.example.org/help/runbook/"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
AUTHORITY = 'authority=~"$authority"'
OR_ALL = 'authority=~"$authority|"'
"""Also what concerns all authorities."""
NODE = 'dnsfilter_node_info{site=~"$site",node=~"$node"}'
ON_NODE = f" and on (instance) {NODE}"
"""Appended to an expression with the label `instance`: only the nodes that the reader has chosen."""

KINDS = {
    "stat": stat.Panel, "timeseries": timeseries.Panel, "bargauge": bargauge.Panel, "table": table.Panel,
    "timeline": statetimeline.Panel,
}  # fmt: skip
WIDTH = {"stat": 4, "timeseries": 12, "bargauge": 8, "table": 12, "timeline": 24}
HEIGHT = {"stat": 4, "timeseries": 8, "bargauge": 8, "table": 9, "timeline": 9}
# Steps of a value's colour, from below. Grafana's own turn a value red from 80 on, whether it is good or not.
Colours: TypeAlias = Sequence[tuple[float | None, str]]
NEUTRAL: Colours = ((None, "text"),)
ONE_IS_GOOD: Colours = ((None, "red"), (1, "green"))
ZERO_IS_GOOD: Colours = ((None, "green"), (1, "red"))
ZERO_IS_USUAL: Colours = ((None, "green"), (1, "orange"))
VALIDITY: Colours = ((None, "red"), (2 * 86_400, "orange"), (14 * 86_400, "green"))
CA_VALIDITY: Colours = ((None, "red"), (14 * 86_400, "orange"), (60 * 86_400, "green"))
SHARE_OF_LIMIT: Colours = ((None, "green"), (0.8, "orange"), (0.95, "red"))
SHARE_OF_DISK: Colours = ((None, "red"), (0.01, "orange"), (0.1, "green"))

UNKNOWN = "unknown"
ANYTHING_ANSWERS = "max(up == 1)"
NODES_ANSWER = 'max(up{job="dnsfilter"} == 1)'
API_ANSWERS = 'max(up{job="dnsfilter-api"} == 1)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel. `question` is what it answers; `queries` are its expressions, by legend."""

    title: str
    question: str
    queries: Mapping[str, str]
    kind: str = "timeseries"
    width: int | None = None
    height: int | None = None
    unit: str = "short"
    decimals: int | None = None
    colours: Colours = NEUTRAL
    """Where the value matters: it is good, or somebody has to act. In a graph, each step but the first is a line."""
    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Text and colour of a value."""
    nothing: str = UNKNOWN
    """What to show without a value."""
    troubled: Sequence[str] = ()
    """Series that are coloured, unless their value is 0."""
    step: str | None = None
    """The time between two points, where the expression counts over that time."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: the labels to show, and `Value`, with the heading of each."""
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of a table: by heading, the text to show for a label's value."""
    text: BigValueTextMode = BigValueTextMode.VALUE_AND_NAME
    """Of a stat: what to show. By default Grafana leaves out the name if there is only one series."""
    is_headline: bool = False
    """Of a stat: also show how its value developed. Its expression then has one series, also while it is unknown."""
    is_magnified: bool = False
    """Of a graph: small values can be seen next to large ones."""


def rate(metric: str) -> str:
    """Return the expression for a counter per second on the chosen nodes."""
    return f"(rate({metric}[$__rate_interval]){ON_NODE})"


SECONDS = {"1h": "3600", "1d": "86400", "$__range": "$__range_s"}


def gained(counter: str, span: str) -> str:
    """Return the expression for what a counter gains in each span.

    A series begins with its first event, which `increase` does not see. It counts in full if its target was scraped
    before, or has started since.
    """
    watched = f"(up offset {span} == 1 or process_start_time_seconds > time() - {SECONDS[span]})"
    new = f"({counter} unless {counter} offset {span}) and on (instance) {watched}"
    return f"({new} or increase({counter}[{span}]))"


def known(*expressions: str) -> str:
    """Return the first expression without labels that has a value, or else NaN, which panels show as unknown.

    Without NaN, a panel of a time range would go on to show the last value, however old.
    """
    return " or ".join((*(f"({each})" for each in expressions), "vector(NaN)"))


def if_api_answers(expression: str) -> str:
    """Return the expression without labels. No series is 0 while the API answers, and unknown otherwise."""
    return known(expression, f"0 * {API_ANSWERS}")


def some(expression: str, label: str, answers: str = NODES_ANSWER) -> str:
    """Return the expression, whose series exist only from the first event on. Without any, one is named none.

    It is 0 while somebody answers, so that nothing is not taken for unknown.
    """
    return f"{expression} or on () {named('none', label, f'0 * {answers}')}"


def named(name: str, label: str, value: str) -> str:
    """Return a series with one label, to be shown if there is no other."""
    return f'label_replace({value}, "{label}", "{name}", "", "")'


def everybody(expression: str) -> str:
    """Return the expression with a name for all authorities, instead of none."""
    return f'label_replace({expression}, "authority", "everybody", "authority", "")'


def build(title: str, uid: str, question: str, rows: Mapping[str, Sequence[Panel]]) -> dashboard.Dashboard:
    """Return a dashboard with its panels in rows. A row without a name has no heading."""
    built = dashboard.Dashboard(title).uid(uid).description(question).tags(["dnsfilter"]).readonly()
    built = built.time("now-24h", "now").refresh("1m").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    for variable in variables():
        built = built.with_variable(variable)
    for mark in marks():
        built = built.annotation(mark)
    for link in links():
        built = built.link(link)
    numbers = count(1)
    for name, panels in rows.items():
        if name:
            built = built.with_row(dashboard.Row(name).id(next(numbers)))
        for panel in panels:
            built = built.with_panel(built_panel(panel).id(next(numbers)))
    return built


def built_panel(panel: Panel) -> Any:
    """Return the SDK's builder of a panel."""
    built = KINDS[panel.kind]().title(panel.title).description(panel.question).datasource(SOURCE)
    built = (
        built.span(panel.width or WIDTH[panel.kind]).height(panel.height or HEIGHT[panel.kind]).no_value(panel.nothing)
    )
    built = built.thresholds(_thresholds(panel.colours))
    if panel.kind != "table":  # the columns of a table have units and texts of their own
        built = built.unit(panel.unit).mappings(_mappings(panel))
    if panel.decimals is not None:
        built = built.decimals(panel.decimals)
    if panel.step is not None:
        built = built.interval(panel.step)
    match built:
        case stat.Panel():
            graph = BigValueGraphMode.AREA if panel.is_headline else BigValueGraphMode.NONE
            built = built.text_mode(panel.text).graph_mode(graph).reduce_options(ReduceDataOptions().calcs(["last"]))
        case timeseries.Panel():
            built = _graph(built, panel)
        case bargauge.Panel():
            built = built.min(0)
        case table.Panel():
            built = _table(built, panel)
    for name in panel.troubled:
        steps = [{"value": value, "color": colour} for value, colour in ZERO_IS_USUAL]
        options = {"mode": "absolute", "steps": steps}
        built = built.override_by_name(name, [_property("thresholds", options)])
    for letter, (legend, expression) in zip("ABCDEF", panel.queries.items(), strict=False):
        built = built.with_target(_target(panel, letter, legend, expression))
    return built


def _graph(built: timeseries.Panel, panel: Panel) -> timeseries.Panel:
    """Begin the axis at 0, and draw thresholds as lines, of which the first is always in sight."""
    built = built.min(0)
    if len(panel.colours) > 1:
        style = GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
        built = built.thresholds_style(style).axis_soft_max(panel.colours[1][0] or 0)
    if panel.is_magnified:
        scale = ScaleDistributionConfig().type(ScaleDistribution.SYMLOG).log(10).linear_threshold(1)
        built = built.scale_distribution(scale)
    return built


def _table(built: table.Panel, panel: Panel) -> table.Panel:
    """Show these columns, in this order, with their headings. Only the value has a unit and colours."""
    order = {name: number for number, name in enumerate(panel.columns)}
    shown = models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*panel.columns]}})
    headings = {"renameByName": dict(panel.columns), "indexByName": order, "excludeByName": {}}
    built = built.transformations([shown, models.DataTransformerConfig(id_val="organize", options=headings)])
    if "Value" in panel.columns:
        coloured = _property("custom.cellOptions", {"type": "color-text"})
        properties = [_property("unit", panel.unit), _property("mappings", _mappings(panel)), coloured]
        built = built.override_by_name(panel.columns["Value"], properties)
    for heading, texts in panel.names.items():
        options = {name: {"text": text} for name, text in texts.items()}
        built = built.override_by_name(heading, [_property("mappings", [{"type": "value", "options": options}])])
    return built


def _thresholds(colours: Colours) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=value, color=colour) for value, colour in colours]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mappings(panel: Panel) -> list[models.ValueMapping]:
    """Return the texts of values. A value that is not a number is unknown."""
    missing = models.ValueMappingResult(text=panel.nothing, color="orange" if panel.nothing == UNKNOWN else "text")
    match = models.SpecialValueMatch.NULL_AND_NAN
    found: list[models.ValueMapping] = [
        models.SpecialValueMap(options=models.DashboardSpecialValueMapOptions(match=match, result=missing))
    ]
    if panel.values:
        options = {
            value: models.ValueMappingResult(text=text, color=colour) for value, (text, colour) in panel.values.items()
        }
        found.append(models.ValueMap(options=options))
    return found


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


def _target(panel: Panel, letter: str, legend: str, expression: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).datasource(SOURCE)
    if panel.kind == "table":
        return query.instant().format(PromQueryFormat.TABLE)
    is_of_now = panel.kind == "bargauge" or (panel.kind == "stat" and not panel.is_headline)
    return query.instant() if is_of_now else query.range()


def variables() -> Iterator[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    """Yield the choices of the reader: data source, site, node and authority."""
    yield dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    chosen = {
        "site": "label_values(dnsfilter_node_info, site)",
        "node": 'label_values(dnsfilter_node_info{site=~"$site"}, node)',
        "authority": "label_values(dnsfilter_ban_info, authority)",
    }
    for name, query in chosen.items():
        variable = dashboard.QueryVariable(name).label(name.capitalize()).datasource(SOURCE)
        variable = variable.query({"query": query, "refId": name}).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        variable = variable.sort(models.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".*")
        yield variable.current(models.VariableOption(text="All", value="$__all"))


class Mark(models.AnnotationQuery):
    """Acts to mark in graphs. Grafana's schema, and so the SDK, lacks what only Prometheus' annotations have."""

    def __init__(self, name: str, colour: str, expr: str, title: str, text: str, *, is_instant: bool) -> None:
        super().__init__(name=name, datasource=SOURCE, enable=True, icon_color=colour, expr=expr)
        # With `useValueForTime` a mark stands at the instant that is the value, in milliseconds.
        self._more = {"titleFormat": title, "textFormat": text, "useValueForTime": is_instant}

    def build(self) -> models.AnnotationQuery:
        """Return itself, as the SDK's builders return what they built."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return the fields of the JSON."""
        return super().to_json() | self._more


def marks() -> Iterator[Mark]:
    """Yield what each dashboard marks in its graphs.

    Grafana evaluates an expression only at multiples of its step. Each looks at the complete step that follows, so
    that none misses what a scrape has seen.
    """

    def following(metric: str) -> str:
        return f"last_over_time({metric}[$__interval] offset -$__interval)"

    changed = f"max by (authority, service, change) ({following(f'dnsfilter_change_timestamp_seconds{{{OR_ALL}}}')})"
    suspended = f"max by (authority) ({following(f'dnsfilter_suspended{{{OR_ALL}}}')}) == 1"
    yield Mark(
        "Policy changed", "blue", f"max({following('dnsfilter_api_policy_changed_timestamp_seconds')}) * 1000",
        "Policy changed", "`dnsfilterctl audit list` shows what, who and why.", is_instant=True,
    )  # fmt: skip
    yield Mark(
        "Bans and suspensions", "orange", f"{everybody(changed)} * 1000",
        "{{authority}} {{service}}: {{change}}", "`dnsfilterctl audit list` shows who and why.", is_instant=True,
    )  # fmt: skip
    yield Mark(
        "Suspended", "red", everybody(suspended),
        "{{authority}}: suspended", "Nothing is refused.", is_instant=False,
    )  # fmt: skip


def links() -> Iterator[dashboard.DashboardLink]:
    """Yield the links to the runbook and to the other dashboards."""
    kinds = models.DashboardLinkType
    for page in ("node", "upstreams", "policy", "control-plane", "symptoms"):
        link = dashboard.DashboardLink(f"Runbook: {page}").type(kinds.LINK).url(f"{RUNBOOK}{page}.html")
        yield link.target_blank(True)
    yield (
        dashboard.DashboardLink("dnsfilter")
        .type(kinds.DASHBOARDS)
        .tags(["dnsfilter"])
        .include_vars(True)
        .keep_time(True)
    )
