"""Mean and standard deviation over runs: seed_table.py REPORT.json ... Prints Markdown, by what makes docs/reproduction.md."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "reproduction"))
from tables import PAPER, Group, change, number, read_config, table  # noqa: E402


def main(files):
    if not files:
        sys.exit("usage: seed_table.py REPORT.json ...")
    group = Group()
    for name in files:
        with open(name, encoding="utf-8") as file:
            report = json.load(file)
        group.add(report["seed"], report, read_config(os.path.join(os.path.dirname(name), "config.yaml")))
    first = group.reports[0]
    print(f"{first['name']}, seeds {', '.join(map(str, group.seeds))}: mean ± sd\n")
    points = "modes_recovered" in group.rows.get("generator", next(iter(group.rows.values()))).metrics
    print("\n".join(table([("", method, row) for method, row in group.rows.items()], ("paper, Table 1", PAPER) if points else None)))
    base = group.values("generator", "frechet_distance")
    for method in group.rows:
        moved = change(group, method, "generator", "frechet_distance")
        if method not in ("generator", "real data") and len(moved) == len(base) > 0:
            print(f"\nFD of {method} against generator: {number([100 * d / base[s] for s, d in moved.items()], 1, 1)} %")
    print(f"\nSeconds per run ({first['ranks']} ranks): {number([sum(r['seconds'].values()) for r in group.reports], 1, 0)}")


if __name__ == "__main__":
    main(sys.argv[1:])
