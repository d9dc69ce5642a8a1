#!/usr/bin/env python3
"""compare.py DIRECTORY PAIRS LEAST: the figures of compare.sh. A pair's ratio is that of medians, as measured, and
with what the limit did meanwhile taken out (each side as a part of its own limit). Fails where the median of
the ratios, as measured, is below LEAST."""

import json
import sys
from statistics import median


def medians(directory, side, pair):
    """(scenario, contestant) -> packets a microsecond of one run."""
    with open(f"{directory}/{side}-{pair}/wire.json", encoding="utf-8") as file:
        return {(row["scenario"], row["contestant"]): median(row["rounds"]) for row in json.load(file)["rows"]}


def main() -> int:
    directory, pairs, least = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    runs = [(medians(directory, "ours", pair), medians(directory, "base", pair)) for pair in range(1, pairs + 1)]
    reached = True
    print("| scenario | contestant | ratio (median) | least to most | of the limits | verdict |\n|---|---|---:|---:|---:|---|")
    for scenario, contestant in runs[0][0]:
        key, limit = (scenario, contestant), (scenario, "limit")
        ratios = [ours[key] / base[key] for ours, base in runs]
        parts = [ours[key] / ours[limit] / (base[key] / base[limit]) for ours, base in runs]
        verdict = "-"
        if contestant != "limit":
            verdict = f"to reach {least}: " + ("reached" if median(ratios) >= least else "NOT reached")
            reached = reached and median(ratios) >= least
        print(
            f"| {scenario} | {contestant} | {median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} "
            f"| {median(parts):.3f} | {verdict} |"
        )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
