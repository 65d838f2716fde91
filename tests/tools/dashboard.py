"""Grafana's dashboard, made from the metrics catalogue: a row of what matters, then one panel for each metric, area by area."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh
from prometheus_client import Counter, Histogram

from workers.metrics import HOLDERS
from workers.metrics.declared import Declared

SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
WHERE = 'namespace=~"$namespace",job=~"$job"'
UNITS = {
    "seconds": "s",
    "bytes": "bytes",
    "share": "percentunit",
    "probability": "percentunit",
    "US dollars": "currencyUSD",
    "days": "d",
}
WIDTH, HEIGHT = 8, 7


@dataclass(frozen=True, slots=True)
class Shown:
    """One panel: queries with their legends, and Grafana's name of the unit."""

    title: str
    help: str
    unit: str
    queries: tuple[tuple[str, str], ...]


FIRST = (
    Shown(
        "Seconds of lag",
        "How long the backlog lasts at the present pace.",
        "s",
        ((f"nanotriage:lag:seconds{{{WHERE}}}", "{{topic}}"),),
    ),
    Shown(
        "Done and what the account feeds",
        "Messages a second, beside the budget by tokens and by requests.",
        "short",
        (
            (f"sum(rate(nanotriage_records_done_total{{{WHERE}}}[$__rate_interval]))", "done"),
            (f"max(nanotriage:budget_by_tokens:messages_per_second{{{WHERE}}})", "by tokens"),
            (f"max(nanotriage:budget_by_requests:messages_per_second{{{WHERE}}})", "by requests"),
        ),
    ),
    Shown(
        "Workers",
        "Those that answer, and those that are ready.",
        "short",
        ((f"count(nanotriage_ready{{{WHERE}}})", "running"), (f"sum(nanotriage_ready{{{WHERE}}})", "ready")),
    ),
)


def of(metric: Declared[Any]) -> Shown:
    """Return a metric's panel: counters as rates, histograms as quantiles, gauges as they are."""
    title = metric.help.split(",")[0].split(":")[0].split(";")[0].rstrip(".")
    by = ", ".join(metric.labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels) or metric.name
    unit = UNITS.get(metric.unit, "short")
    if metric.kind is Counter:
        query = f"sum{f' by ({by})' if by else ''} (rate({metric.exposed}{{{WHERE}}}[$__rate_interval]))"
        return Shown(f"{title} (per second)", metric.help, unit, ((query, legend),))
    if metric.kind is Histogram:
        inner = f"sum by ({', '.join(['le', *metric.labels])}) (rate({metric.exposed}_bucket{{{WHERE}}}[$__rate_interval]))"
        queries = tuple((f"histogram_quantile({q}, {inner})", f"{legend} p{q * 100:g}") for q in (0.5, 0.99))
        return Shown(title, metric.help, unit, queries)
    total = "sum" if metric.unit in {"calls", "messages", "records", "bytes", "tasks"} else "max"
    return Shown(title, metric.help, unit, ((f"{total}{f' by ({by})' if by else ''} ({metric.exposed}{{{WHERE}}})", legend),))


def rows() -> Iterator[tuple[str, tuple[Shown, ...]]]:
    """Return the rows: title and panels. Every metric of the catalogue is in one."""
    yield "What matters", FIRST
    for area in dict.fromkeys(area for holder in HOLDERS for area in reversed(holder.__mro__)):
        shown = tuple(of(metric) for metric in vars(area).values() if isinstance(metric, Declared))
        if shown:
            yield (area.__doc__ or area.__name__).rstrip("."), shown


def dashboard() -> str:
    """Return the dashboard as JSON."""
    made = Dashboard("nanotriage").uid("nanotriage").tags(["nanotriage"]).readonly().refresh("30s").time("now-3h", "now")
    made.with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for name in ("namespace", "job"):
        variable = QueryVariable(name).datasource(SOURCE).query(f"label_values(nanotriage_build_info, {name})")
        made.with_variable(
            variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".*")
        )
    for title, panels in rows():
        made.with_row(Row(title))
        for shown in panels:
            panel = Panel().title(shown.title).description(shown.help).unit(shown.unit).datasource(SOURCE)
            panel.span(WIDTH).height(HEIGHT)
            for place, (query, legend) in enumerate(shown.queries):
                panel.with_target(Dataquery().expr(query).legend_format(legend).ref_id("ABC"[place]))
            made.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"
