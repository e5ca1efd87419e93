"""report.json of the runs as numbers: metrics and costs per (part, variant, method), means and standard deviations over the seeds."""
import os
import statistics
from dataclasses import dataclass, field

from runs import read_config

# Headings of known metrics: path in metrics, heading, factor, digits. A metric that is not here gets a column under its own name.
HEADINGS = [
    ("modes_recovered", "modes", 1, 1), ("high_quality_fraction", "high quality %", 100, 2), ("high_quality_std", "std", 1, 4),
    ("mass_total_variation", "mass TV", 1, 4), ("mass_total_variation_all", "mass TV, all", 1, 4), ("frechet_distance", "FD", 1, None),
    ("fid_infinity.value", "FD infinity", 1, 2), ("intra_fid.mean", "intra-FD", 1, 2), ("inception_score.mean", "IS", 1, 3),
    ("kid.unbiased", "KID", 1, None), ("precision", "precision", 1, 3), ("recall", "recall", 1, 3), ("density", "density", 1, 3),
    ("coverage", "coverage", 1, 3)]
# Che et al. 2020, Table 1: modes, % of high quality (the paper does not define its standard deviation).
PAPER = {"generator": "24.8 ± 0.2, 70 ± 9 %", "drs": "24.8 ± 0.2, 90 ± 2 %", "ddls": "24.8 ± 0.2, 98 ± 2 %"}
# Numbers that describe a metric rather than being one.
QUIET = ("modes", "intra_fid.classes", "mass_chi2", "mass_min", "mass_max", "high_quality_radial", "resampled", "frechet_distance_std", "frechet_distance_at_count_std",
         "inception_score.std", "kid.subsets", "kid.subset_size", "kid.subsets_mean", "kid.subsets_std", "fid_infinity.slope", "is_infinity.slope")


def flatten(metrics, prefix=""):
    flat = {}
    for key, value in (metrics or {}).items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[prefix + key] = value
    return flat


def shown(flat):
    return [k for k in flat if k not in QUIET and not k.startswith("intra_fid.per_class.")]


def cost(record, config, method):
    """Gradients and ratios per sample, the shared pools with them, without warm-ups and pilots: these are in the seconds alone."""
    steps, each = record.get("steps", 0), record.get("evaluations_per_step", {})
    gradients, ratios = steps * each.get("gradients", 0), steps * each.get("ratios", 0)
    count = max(record.get("count", 1), 1)
    pool = int(config.get(f"sample.{method}.pool", "0") or 0)
    if not pool and "start_ess_fraction" in record.get("warmup", {}):
        pool = int(config.get("sample.start_pool", "0") or 0)
    return {"gradients": gradients, "ratios": ratios + pool / count, "seconds": record.get("seconds", 0), "evaluations": gradients + ratios + pool / count}


@dataclass
class Row:
    """A method over the seeds; values by seed."""
    metrics: dict = field(default_factory=dict)
    costs: dict = field(default_factory=dict)
    exact: object = None
    short_run: int = 0
    seeds: list = field(default_factory=list)
    curves: dict = field(default_factory=dict)


@dataclass
class Group:
    """A variant over the seeds that are done."""
    rows: dict = field(default_factory=dict)      # method -> Row; "real data" where the report has them
    energies: dict = field(default_factory=dict)  # name -> {seed: energy}
    calibrations: dict = field(default_factory=dict)
    seeds: list = field(default_factory=list)
    reports: list = field(default_factory=list)
    runs: list = field(default_factory=list)

    def values(self, method, metric):
        row = self.rows.get(method)
        return row.metrics.get(metric, {}) if row else {}

    def add(self, seed, report, config, run=None):
        self.seeds.append(seed)
        self.reports.append(report)
        self.runs += [run] if run else []
        if report.get("reference", {}).get("metrics"):
            self.put("real data", seed, report["reference"]["metrics"])
        for method, record in report["methods"].items():
            row = self.put(method, seed, record.get("metrics"))
            row.exact = record.get("exact")
            row.short_run += bool(record.get("short_run"))
            for key, value in cost(record, config, method).items():
                row.costs.setdefault(key, {})[seed] = value
            if record.get("curve"):
                row.curves[seed] = [(point["step"], flatten(point)) for point in record["curve"]]
        for name, energy in (report.get("energies") or {}).items():
            self.energies.setdefault(name, {})[seed] = energy
        if report.get("calibration"):
            self.calibrations[seed] = report["calibration"]

    def put(self, name, seed, metrics):
        row = self.rows.setdefault(name, Row())
        row.seeds.append(seed)
        for key, value in flatten(metrics).items():
            row.metrics.setdefault(key, {})[seed] = value
        return row


def gather(runs):
    """Group of the runs that are done."""
    group = Group()
    for run in runs:
        if run.done:
            group.add(run.seed, run.report, read_config(os.path.join(run.folder, "config.yaml")), run)
    return group


def number(values, factor=1, digits=2):
    """mean +- sd of a list; "" without values."""
    values = [v * factor for v in values]
    if not values:
        return ""
    text = f"{statistics.fmean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def digits_for(values):
    """Digits that suit most of the values."""
    middle = statistics.median([abs(v) for v in values] or [0])
    return 0 if middle >= 1000 else 1 if middle >= 100 else 2 if middle >= 1 else 3 if middle >= 0.1 else 4


def columns(rows):
    """(key, heading, factor, digits) of the metrics that some row has, known ones first."""
    present = {k for row in rows.values() for k in shown(row.metrics)}
    known = [c for c in HEADINGS if c[0] in present]
    rest = sorted(present - {c[0] for c in HEADINGS})
    found = []
    for key, heading, factor, digits in known + [(k, f"`{k}`", 1, None) for k in rest]:
        values = [v * factor for row in rows.values() for v in row.metrics.get(key, {}).values()]
        found.append((key, heading, factor, digits_for(values) if digits is None else digits))
    return found


def law(name, row):
    """What is drawn from: the energy's law, or something else."""
    if name in ("real data", "generator"):
        return ""
    if row.short_run:
        return "short run"
    return {True: "exact", False: "biased"}.get(row.exact, "")


def table(rows, extra=None):
    """Markdown of [(variant or "", method, Row)]; `extra`: heading and {method: text} of a last column."""
    found, titled = columns({(v, m): row for v, m, row in rows}), any(v for v, _, _ in rows)
    heads = ([""] if titled else []) + ["method", "kernel"] + [c[1] for c in found] + ["gradients", "ratios", "s"] + ([extra[0]] if extra else [])
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    before = None
    for variant, name, row in rows:
        cells = ([variant if variant != before else ""] if titled else []) + [name, law(name, row)]
        before = variant
        cells += [number(row.metrics.get(key, {}).values(), factor, digits) for key, _, factor, digits in found]
        for key in ("gradients", "ratios", "seconds"):
            mean = statistics.fmean(row.costs[key].values()) if row.costs.get(key) else None
            cells.append("" if mean is None or (mean == 0 and key != "seconds") else f"{mean:.{1 if mean < 10 else 0}f}")
        lines.append("| " + " | ".join(cells + ([extra[1].get(name, "")] if extra else [])) + " |")
    return lines


def energy_row(name, energies):
    get = lambda key: [e[key] for e in energies.values() if e.get(key) is not None]
    low, high = get("nats_low"), get("nats_high")
    metric = lambda key: [e["metrics"][key] for e in energies.values() if (e.get("metrics") or {}).get(key) is not None]   # null: weights that no number holds for
    fd, modes = metric("frechet_distance"), metric("modes_recovered")
    scale = [e["best_scale"]["scale"] for e in energies.values() if e.get("best_scale")]
    interval = f"{min(low):.2f} to {max(high):.2f}" if low and high else ""
    few = sum(bool(e.get("few_draws")) for e in energies.values())
    return (f"{name} | {number(get('nats'), 1, 3)} | {interval} | {number(get('ess_fraction'), 100, 1)} | {number(get('log_z'), 1, 3)} | {number(scale, 1, 2)} | "
            f"{number(fd, 1, digits_for(fd))} | {number(modes, 1, 1)} | {f'{few} of {len(energies)}' if few else ''} |")


def energy_table(groups):
    """Markdown of the worth of energies: {title: Group}; variants with the same one share a row."""
    rows = {}
    for title, group in groups.items():
        for name, energies in group.energies.items():
            rows.setdefault(energy_row(name, energies), []).append(title)
    if not rows:
        return []
    lines = [f"| {', '.join(titles) if len(titles) < 4 else f'{titles[0]} ... {titles[-1]}'} | {row}" for row, titles in rows.items()]
    return ["| | energy | nats gained | 95 % intervals | ESS % | log Z | best multiple of r | FD by weights | modes by weights | carried by few draws |", "|---" * 10 + "|", *lines]


def change(group, method, base, metric):
    """{seed: value - base value} over the seeds that have both."""
    a, b = group.values(method, metric), group.values(base, metric)
    return {s: a[s] - b[s] for s in a if s in b}


def verdict(differences, unit="", digits=2, factor=1, words=("lower", "higher")):
    """A sentence's end computed from paired differences: lower, higher, or not told apart from zero by the spread over seeds."""
    values = [d * factor for d in differences]
    if not values:
        return "not measured"
    mean = statistics.fmean(values)
    amount = f"{abs(mean):.{digits}f}{unit}"
    word = words[0] if mean < 0 else words[1]
    if len(values) == 1:
        return f"{word} by {amount} (one seed: no spread)"
    spread = statistics.stdev(values)
    if abs(mean) <= spread:
        return f"no different within the sd over seeds ({mean:+.{digits}f} ± {spread:.{digits}f}{unit})"
    same = sum((v < 0) == (mean < 0) for v in values)
    return f"{word} by {amount} (sd {spread:.{digits}f}, so in {same} of {len(values)} seeds)"
