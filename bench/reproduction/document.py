"""docs/reproduction.md from the runs that are done: tables, figures, questions. What was not run is said to be missing."""
import datetime
import os
import platform
import statistics
import subprocess

import charts
from parts import PARTS
from questions import QUESTIONS
from runs import ROOT, STOPPED, Run, read_config, read_json
from tables import HEADINGS, PAPER, columns, energy_table, gather, number, table

BUDGET = 300_000   # bytes of all figures


class Results:
    """Groups of finished runs; what the questions ask for."""

    def __init__(self, study):
        self.study, self.parts = study, {part.name: part for part in PARTS}
        self.kept = {}

    def group(self, part, variant=""):
        if (part, variant) not in self.kept:
            self.kept[part, variant] = gather([Run(self.study, self.parts[part], variant, s) for s in self.study.seeds_of(self.parts[part])])
        return self.kept[part, variant]

    def variants(self, part):
        """(name, title, group) of those that have a result."""
        found = [(v, spec.title or v, self.group(part, v)) for v, spec in self.parts[part].variants.items()]
        return [(v, title, group) for v, title, group in found if group.seeds]

    def missing(self, part, variant=""):
        """Why there is no result; empty: there is one."""
        if self.group(part, variant).seeds:
            return ""
        run = Run(self.study, self.parts[part], variant, self.study.seeds_of(self.parts[part])[0])
        state = run.state
        if state.get("exit") == STOPPED:
            return f"Stopped: `{run.name}`; the same command goes on with it."
        if state.get("exit"):
            return f"Not there: `{run.name}` failed with exit code {state['exit']}: {state['message']}"
        why = run.missing()
        return f"Not run: {why}." if why else f"Not run: `launch/reproduce.sh{' --quick' if self.study.quick else ''} --only {part}`."

    def benches(self):
        folder = os.path.join(self.study.folder, "biggan")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = {n[:-5]: read_json(os.path.join(folder, n)) for n in names if n.endswith(".json")}
        return {n: b for n, b in found.items() if b}


class Images:
    """Files beside the document, within the budget."""

    def __init__(self, document):
        name = os.path.splitext(os.path.basename(document))[0]
        self.folder = os.path.join(os.path.dirname(os.path.abspath(document)), "images", name)
        self.relative, self.size, self.names = f"images/{name}", 0, set()

    def add(self, name, data, caption):
        data = data.encode() if isinstance(data, str) else data
        if self.size + len(data) > BUDGET:
            return [f"*(no room for the figure {name}: {len(data)} bytes)*", ""]
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(data)
        self.size += len(data)
        self.names.add(name)
        return [f"![{caption}]({self.relative}/{name})", "", f"*{caption}.*", ""]

    def clear(self):
        """Figures of an earlier document that this one does not have."""
        for name in os.listdir(self.folder) if os.path.isdir(self.folder) else []:
            if name not in self.names and name.endswith((".svg", ".png")):
                os.remove(os.path.join(self.folder, name))


def machine():
    def first(path, key):
        try:
            return next(line.split(":", 1)[1].strip() for line in open(path, encoding="utf-8") if line.startswith(key))
        except (OSError, StopIteration):
            return ""
    model = first("/proc/cpuinfo", "model name") or platform.machine()
    memory = first("/proc/meminfo", "MemTotal").split()
    return f"{len(os.sched_getaffinity(0))} cores of {model}" + (f", {int(memory[0]) / 2 ** 20:.0f} GiB" if memory else "") + f", {platform.system()} {platform.release()}"


def commit():
    """That of the checkout; changes of the page itself do not count."""
    git = lambda *words: subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "bench", "configs", "launch", "src")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with changes" if changed else "")


def link(page):
    return f"[{page}]({page}.md)"


def precision_of(run):
    return read_config(os.path.join(run, "config.yaml")).get("train.precision", "float32")


def head(results, command):
    study = results.study
    runs = [run for part in PARTS for run in study.runs(part)]
    done = [run for run in runs if run.done]
    failed = [run for run in runs if not run.done and run.state.get("exit", 0) not in (0, STOPPED)]
    programs = sorted({run.report["git_commit"][:12] for run in done})
    ranks = sorted({run.state.get("ranks", 1) for run in done})
    seconds = sum(run.state.get("seconds", 0) for run in done)
    kind = "**Quick**: every part at a size that shows that it works; its numbers say nothing of quality." if study.quick else "The whole recipes."
    lines = ["# Reproduction", "", "This page is written by `launch/reproduce.sh` from the reports of its runs; every measured number and every comparison of them is computed from these.", "", kind + (
        " With `--count`: so many samples per method in place of each recipe's." if study.count else ""), "", "```sh not-run", command, "```", "",
        f"- {datetime.date.today()}, {machine()}; {' or '.join(map(str, ranks)) or 1} rank(s) of one thread. Seconds are those of a machine that may have had other work.",
        f"- Written at commit {commit()}; the runs were evaluated by program version {', '.join(programs) or '-'}.",
        f"- {len(done)} of {len(runs)} runs are done, {seconds / 3600:.1f} h in all (networks that were trained elsewhere not counted)" + (f"; {len(failed)} failed" if failed else "") + "."]
    used = sorted({name for run in done for name in study.use if study.use[name] == run.external()})
    if used:
        lines.append("- Networks trained before, whose training was not repeated: " + ", ".join(f"{name} (trained in {precision_of(study.use[name])})" for name in used) + ".")
    seeds = {part: numbers for part, numbers in study.seeds.items() if any(run.part.name == part for run in done)}
    if seeds:
        lines.append("- Other seeds than a part's own: " + "; ".join(f"{part} {', '.join(map(str, numbers))}" for part, numbers in seeds.items()) + ".")
    if study.methods:
        lines.append("- Fewer methods than a part has: " + "; ".join(f"{part} {', '.join(names)}" for part, names in study.methods.items()) + ".")
    return lines + ["", "**How to read the tables.** Numbers are mean ± sd over seeds. `kernel`: *exact* kernels sample p0 e^r without a bias of their own in the limit of many steps; *biased* ones sample "
                    "another law, some nearly that one (rejection and DRS up to bound and budget, OBRS to its budget, SMC to the size of a block, SIR and i-SIR over a pool to the pool); a *short run* is better than its energy's own law or runs on an energy that harms, so it must not be taken for a sample of p0 e^r. Costs are per sample: gradients of the energy, "
                    "ratios (one decode and one discriminator each) with a shared pool in it, and the seconds of all samples, warm-ups included. Of 25 Gaussians 25 modes, all of high quality and mass TV near that of "
                    f"real data are right; FD, KID and mass TV are better when lower, the rest when higher. Definitions: {link('algorithm')}, section 7; keys: {link('formats')}. Published numbers stand beside "
                    "ours only where the protocol is the same: features of the run's own classifier compare with nothing but each other, so published FIDs do not.", ""]


def chart_of(part, group, images):
    points = {}
    metric, _, factor, _ = next((c for c in HEADINGS if c[0] == part.chart), (part.chart, "", 1, 2))
    for method, row in group.rows.items():
        values = [v * factor for v in row.metrics.get(metric, {}).values()]
        cost = row.costs.get("evaluations", {})
        if values and cost and method != "real data":
            points[method] = (max(statistics.fmean(cost.values()), 1), statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0)
    if len(points) < 2:
        return []
    real = [v * factor for v in group.values("real data", metric).values()]
    heading = next((c[1] for c in columns(group.rows) if c[0] == metric), metric)
    drawing = charts.scatter(points, "gradients and ratios per sample (1: a decode)", heading, ("real data", statistics.fmean(real)) if real else None)
    return images.add(f"{part.name}-cost.svg", drawing, f"{heading} against cost; bars are the sd over seeds")


def curves_of(part, found, images):
    """The metric of stored sample sets against the steps, mean over the seeds."""
    curves = {}
    for variant, title, group in found:
        for method, row in group.rows.items():
            sums = {}
            for points in row.curves.values():
                for step, metrics in points:
                    if part.curve in metrics:
                        sums.setdefault(step, []).append(metrics[part.curve])
            if len(sums) > 1:
                curves[f"{title}: {method}" if len(found) > 1 else method] = [(s, statistics.fmean(v)) for s, v in sorted(sums.items())]
    if not curves:
        return []
    heading = next((c[1] for c in HEADINGS if c[0] == part.curve), part.curve)
    return images.add(f"{part.name}-steps.svg", charts.lines(curves, "steps", heading), f"{heading} against steps, mean over the seeds (the paper has such a curve of the Inception Score)")


def figures_of(part, found, images):
    lines = []
    for variant, title, group in found:
        if not group.runs:
            continue
        run = group.runs[0]
        where, name = f" ({title})" if title else "", "-".join(filter(None, (part.name, variant)))
        if part.panels:
            sets = [("real data", os.path.join(run.folder, "samples", "real.npz"))] + [(m, os.path.join(run.folder, "samples", m, "samples.npz")) for m in part.panels.split(",")[1:]]
            sets = [(m, file) for m, file in sets if os.path.isfile(file)]
            if not sets or sets[0][0] != "real data":
                continue
            lines += images.add(f"{name}.png", charts.panels([f for _, f in sets]), f"{part.caption}, seed {run.seed}{where}; from left to right {', '.join(m for m, _ in sets)}")
        for file, caption, rows in part.pictures:
            path = os.path.join(run.folder, file)
            if os.path.isfile(path):
                lines += images.add(f"{name}-{os.path.basename(file)}", charts.first_rows(path, rows), f"{caption}, seed {run.seed}{where}")
    return lines


def section(part, results, images):
    lines = [f"## {part.title}", "", part.text, ""]
    found = results.variants(part.name)
    wanted = [v for v, spec in part.variants.items() if spec.quick or not results.study.quick]
    missing = {v: results.missing(part.name, v) for v in wanted if results.missing(part.name, v)}
    if found:
        seeds = {v: group.seeds for v, _, group in found}
        same = len({tuple(s) for s in seeds.values()}) == 1
        lines += [(f"Seeds {', '.join(map(str, found[0][2].seeds))}" if same else "; ".join(f"{v or 'plain'}: seeds {', '.join(map(str, s))}" for v, s in seeds.items())) +
                  f"; {', '.join(sorted({str(next(iter(g.reports[0]['methods'].values()))['count']) for _, _, g in found}))} samples per method.", ""]
        short = [v for v, s in seeds.items() if len(s) < len(results.study.seeds_of(part))]
        if short:
            lines += [f"**Incomplete**: not all of the {len(results.study.seeds_of(part))} seeds are done.", ""]
        rows = [(title if len(found) > 1 or len(wanted) > 1 else "", method, row) for _, title, group in found for method, row in group.rows.items() if method != "real data" or group is found[0][2]]
        lines += table(rows, ("paper, Table 1", PAPER) if part.name == "gaussians25" else None) + [""]
        lines += [*energy_table({title or part.title: group for _, title, group in found}), ""]
        if part.chart:
            lines += chart_of(part, found[0][2], images)
        if part.curve:
            lines += curves_of(part, found, images)
        lines += figures_of(part, found, images)
    for reason in dict.fromkeys(missing.values()):
        lines += [f"**{', '.join('`' + (v or 'plain') + '`' for v, why in missing.items() if why == reason)}**: {reason}" if len(wanted) > 1 else f"**{reason}**", ""]
    return lines


def write(study, document, command):
    results, images = Results(study), Images(document)
    lines = head(results, command)
    for part in PARTS:
        lines += section(part, results, images)
    lines += ["## Questions of a reviewer", ""]
    for title, answer in QUESTIONS:
        lines += [f"### {title}", ""]
        block = [line for line in answer(results) if line]
        for before, line in zip([""] + block, block):
            lines += ([""] if before and not (before.lstrip().startswith("- ") and line.startswith(("- ", "  "))) else []) + [line]
        lines.append("")
    os.makedirs(os.path.dirname(os.path.abspath(document)), exist_ok=True)
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    with open(document, "w", encoding="utf-8") as file:
        file.write(text.rstrip() + "\n")
    images.clear()
    return results
