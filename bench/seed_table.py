"""Mean and standard deviation over runs: seed_table.py REPORT.json ... Prints Markdown; needs Python's standard library only."""
import json
import statistics
import sys

# Che et al. 2020, Table 1 (25 Gaussians): modes, % high quality, std.
PAPER = {
    "generator": "24.8 ± 0.2, 70 ± 9 %, 0.11 ± 0.01",
    "drs": "24.8 ± 0.2, 90 ± 2 %, 0.10 ± 0.01",
    "ddls": "24.8 ± 0.2, 98 ± 2 %, 0.10 ± 0.01",
}
COLUMNS = [  # heading, path in metrics, factor, digits
    ("modes", ("modes_recovered",), 1, 1),
    ("high quality %", ("high_quality_fraction",), 100, 2),
    ("std", ("high_quality_std",), 1, 4),
    ("radial", ("high_quality_radial",), 1, 4),
    ("mass TV", ("mass_total_variation",), 1, 4),
    ("mass TV, all", ("mass_total_variation_all",), 1, 4),
    ("mass χ²", ("mass_chi2",), 1, 1),
    ("FD", ("frechet_distance",), 1, 4),
    ("IS", ("inception_score", "mean"), 1, 3),
]


def value(metrics, path):
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, dict) else None
    return metrics


def cell(values, digits):
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    text = f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}"
    return text + f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else text


def main(files):
    if not files:
        sys.exit("usage: seed_table.py REPORT.json ...")
    reports = [json.load(open(f, encoding="utf-8")) for f in files]
    rows = {}
    for report in reports:
        real = report["reference"].get("metrics")
        if real:
            rows.setdefault("real data", []).append(real)
        for method, record in report["methods"].items():
            rows.setdefault(method, []).append(record["metrics"])
    columns = [c for c in COLUMNS if any(value(m, c[1]) is not None for ms in rows.values() for m in ms)]
    modes = any(c[0] == "modes" for c in columns)
    print(f"{reports[0]['name']}, seeds {', '.join(str(r['seed']) for r in reports)}: mean ± sd (least to greatest)\n")
    print("| | " + " | ".join(c[0] for c in columns) + (" | paper, Table 1 |" if modes else " |"))
    print("|---" * (len(columns) + 1 + modes) + "|")
    for name, metrics in rows.items():
        cells = []
        for _, path, factor, digits in columns:
            values = [value(m, path) for m in metrics]
            cells.append(cell([v * factor for v in values], digits) if None not in values else "")
        print(f"| {name} | " + " | ".join(cells) + (f" | {PAPER.get(name, '')} |" if modes else " |"))
    if modes:
        print(f"| drs | " + " | ".join("" for _ in columns) + f" | {PAPER['drs']} |")
    base = [m["frechet_distance"] for m in rows.get("generator", [])]
    for name, metrics in rows.items():
        if name in ("generator", "real data") or len(metrics) != len(base):
            continue
        change = [100 * (m["frechet_distance"] / b - 1) for m, b in zip(metrics, base)]
        print(f"\nFD of {name} against generator: {cell(change, 1)} %")
    seconds = [sum(r["seconds"].values()) for r in reports]
    print(f"\nSeconds per run ({reports[0]['ranks']} ranks): {cell(seconds, 0)}")


if __name__ == "__main__":
    main(sys.argv[1:])
