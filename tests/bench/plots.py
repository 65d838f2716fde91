"""Bars of each regime from `bench.json`, as SVG; runs in the bench environment: python -m tests.bench.plots FOLDER."""

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

BARS = {
    "cpu": ("per_second", "messages a second, the model answers in 5 ms"),
    "latency": ("efficiency", "share of R*, 32 calls of 300 ms at once"),
    "rate": ("efficiency", "share of R*, 300 requests a minute"),
    "kill": ("reasked", "messages asked again after kill -9"),
}


def main(folder: Path) -> None:
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "bench"
    results = json.loads((folder / "bench.json").read_text(encoding="utf-8"))["results"]
    for regime, (name, title) in BARS.items():
        rows = {result["peer"]: result[name] for result in results if result["regime"] == regime and result[name] is not None}
        if not rows:
            continue
        figure, axes = plt.subplots(figsize=(7, 0.6 + 0.4 * len(rows)))
        peers = sorted(rows, key=lambda peer: rows[peer])
        bars = axes.barh(
            peers, [rows[peer] for peer in peers], color=["#c44" if peer == "worker" else "#889" for peer in peers]
        )
        axes.bar_label(bars, fmt="{:,.3g}" if max(rows.values()) < 10 else "{:,.0f}", padding=3)
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.xaxis.set_visible(False)
        figure.savefig(folder / f"{regime}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
