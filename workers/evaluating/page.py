"""The report as one HTML page that needs nothing beside it: tables, then charts. Pure.

Everything that comes from data (labels, reasons, names) is escaped: it is text, never markup.
"""

from collections.abc import Mapping, Sequence
from html import escape

from workers.evaluating.charts import Axes, Bar, Line, bar_chart, line_chart
from workers.evaluating.report import Table, percent
from workers.evaluating.risk import FieldRisk

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--paper:#fff;--soft:#5b6b7c;--rule:#d8dee6;--one:#1f5fa8;--two:#a8471f}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--paper:#14191f;--soft:#9aa8b8;--rule:#313a45;--one:#7db4f0;--two:#f0a27d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:980px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .9rem .25rem 0;text-align:left;border-bottom:1px solid var(--rule)}th{color:var(--soft);font-weight:600}
.charts{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0;flex:1 1 420px}figcaption{color:var(--soft)}
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}polyline{fill:none;stroke-width:2}
.measured{stroke:var(--one)}.ideal{stroke:var(--soft);stroke-dasharray:4 4}rect{fill:var(--one)}
.whisker{stroke:var(--two);stroke-width:2}.grid{stroke:var(--rule)}.scroll{overflow-x:auto}
"""


def page(title: str, facts: Sequence[str], shown: Sequence[Table], risks: Mapping[str, FieldRisk]) -> str:
    """Return the page. `facts` are sentences that stand above the tables: files, model, cost."""
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(fact)}</p>" for fact in facts)]
    parts += [_table(one) for one in shown]
    for name, risk in risks.items():
        parts.append(f"<h2>Confidence of {escape(name)}</h2><div class=charts>{''.join(_figures(risk))}</div>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _table(table: Table) -> str:
    title, heads, rows = table
    head = "".join(f"<th>{escape(one.capitalize())}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _figures(risk: FieldRisk) -> list[str]:
    figures = []
    if risk.curve:
        worst = max(point.risk for point in risk.curve) or 0.05
        curve = Line([(point.coverage, point.risk) for point in risk.curve], "measured")
        figures.append(
            _figure(
                line_chart(Axes("coverage", "wrong", up_end=_rounded_up(worst)), [curve]),
                "Risk and coverage: what is wrong among the most confident answers.",
            )
        )
        bins = Line([(one.confidence, one.accuracy) for one in risk.bins], "measured")
        figures.append(
            _figure(
                line_chart(Axes("confidence", "right"), [Line([(0, 0), (1, 1)], "ideal"), bins]),
                f"Reliability: expected calibration error {percent(risk.calibration_error)}.",
            )
        )
    for said, shares in (("place in the batch", risk.by_place), ("messages in the call", risk.by_batch_size)):
        if len(shares) > 1:
            bars = [
                Bar(str(number), share.hits / share.of, *(share.interval or (0.0, 1.0))) for number, share in shares.items()
            ]
            figures.append(_figure(bar_chart(Axes(said, "right"), bars), f"Right answers by {said}, with intervals of 95 %."))
    return figures


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _rounded_up(share: float) -> float:
    return next(end for end in (0.05, 0.1, 0.2, 0.5, 1.0) if share <= end)
