"""The parts of the dashboards: panels with their question, rows, variables, links and annotations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

RUNBOOK = "https://dns.example.org/docs/runbook/"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
AUTHORITY = 'authority=~"$authority"'
NODE = 'dnsfilter_node_info{site=~"$site",node=~"$node"}'
ON_NODE = f" and on (instance) {NODE}"
"""Appended to an expression with the label `instance`: only the nodes that the reader has chosen."""

KINDS = {
    "stat": stat.Panel, "timeseries": timeseries.Panel, "bargauge": bargauge.Panel, "table": table.Panel,
    "timeline": statetimeline.Panel,
}  # fmt: skip
WIDTH = {"stat": 4, "timeseries": 12, "bargauge": 8, "table": 12, "timeline": 24}
HEIGHT = {"stat": 4, "timeseries": 8, "bargauge": 8, "table": 9, "timeline": 9}
COLUMNS = 24

# Where the value matters: it is good, or somebody has to act.
COLOURS: Mapping[str, Sequence[tuple[float | None, str]]] = {
    "one is good": ((None, "red"), (1, "green")),
    "zero is good": ((None, "green"), (1, "red")),
    "zero is usual": ((None, "green"), (1, "orange")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel. `question` is what it answers; `queries` are its expressions, by legend."""

    title: str
    question: str
    queries: Mapping[str, str]
    kind: str = "timeseries"
    unit: str = "short"
    decimals: int | None = None
    colours: str | None = None
    values: Mapping[str, tuple[str, str]] | None = None
    """Text and colour of a value."""
    troubled: Sequence[str] = ()
    """Series that are coloured, unless their value is 0."""
    step: str | None = None
    """The time between two points, where the expression counts over that time."""
    columns: Sequence[str] = ()
    """Of a table: the labels to show."""
    text: BigValueTextMode = BigValueTextMode.VALUE_AND_NAME
    """Of a stat: what to show. By default Grafana leaves out the name if there is only one series."""


def rate(metric: str) -> str:
    """Return the expression for a counter per second on the chosen nodes."""
    return f"(rate({metric}[$__rate_interval]){ON_NODE})"


def build(title: str, uid: str, question: str, rows: Mapping[str, Sequence[Panel]]) -> dashboard.Dashboard:
    """Return a dashboard with its panels in rows. A row without a name has no heading."""
    built = dashboard.Dashboard(title).uid(uid).description(question).tags(["dnsfilter"]).readonly()
    built = built.time("now-24h", "now").refresh("1m").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    for variable in variables():
        built = built.with_variable(variable)
    for annotation in annotations():
        built = built.annotation(annotation)
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
    built = KINDS[panel.kind]().title(panel.title).description(panel.question).datasource(SOURCE).unit(panel.unit)
    built = built.span(WIDTH[panel.kind]).height(HEIGHT[panel.kind])
    if isinstance(built, stat.Panel):
        built = built.text_mode(panel.text).reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if panel.decimals is not None:
        built = built.decimals(panel.decimals)
    if panel.step is not None:
        built = built.interval(panel.step)
    if panel.colours is not None:
        steps = [models.Threshold(value=value, color=colour) for value, colour in COLOURS[panel.colours]]
        built = built.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.values is not None:
        options = {
            value: models.ValueMappingResult(text=text, color=colour) for value, (text, colour) in panel.values.items()
        }
        built = built.mappings([models.ValueMap(options=options)])
    for name in panel.troubled:
        steps = [{"value": value, "color": colour} for value, colour in COLOURS["zero is usual"]]
        options = {"mode": "absolute", "steps": steps}
        built = built.override_by_name(name, [models.DynamicConfigValue(id_val="thresholds", value=options)])
    if panel.columns:
        built = built.transformations([_columns(panel.columns)])
    for letter, (legend, expression) in zip("ABCDEF", panel.queries.items(), strict=False):
        built = built.with_target(_target(panel, letter, legend, expression))
    return built


def _target(panel: Panel, letter: str, legend: str, expression: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).datasource(SOURCE)
    if panel.kind == "table":
        return query.instant().format(PromQueryFormat.TABLE)
    return query.instant() if panel.kind in {"stat", "bargauge"} else query.range()


def _columns(columns: Sequence[str]) -> models.DataTransformerConfig:
    """Return the transformation that shows these labels and the value, in this order."""
    return models.DataTransformerConfig(
        id_val="filterFieldsByName", options={"include": {"names": [*columns, "Value"]}}
    )


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


def annotations() -> Iterator[dashboard.AnnotationQuery]:
    """Yield the acts that each dashboard marks in its graphs."""
    marked = {
        "Policy changed": ("blue", "changes(dnsfilter_api_published_revision[$__interval]) > 0"),
        "Ban switched": (
            "orange",
            f"sum by (authority, service) (changes(dnsfilter_ban_mode{{{AUTHORITY}}}[$__interval])) > 0",
        ),
        "Suspended": ("red", "max by (authority) (dnsfilter_suspended) == 1"),
    }
    for name, (colour, expression) in marked.items():
        yield (
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour).expr(expression)
        )


def links() -> Iterator[dashboard.DashboardLink]:
    """Yield the links to the runbook and to the other dashboards."""
    kinds = models.DashboardLinkType
    for page in ("node", "upstreams", "policy", "control-plane", "symptoms"):
        link = dashboard.DashboardLink(f"Runbook: {page}").type(kinds.LINK).url(f"{RUNBOOK}{page}.md")
        yield link.target_blank(True)
    yield (
        dashboard.DashboardLink("dnsfilter")
        .type(kinds.DASHBOARDS)
        .tags(["dnsfilter"])
        .include_vars(True)
        .keep_time(True)
    )
