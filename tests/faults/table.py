"""The table of inject.py, by kind of disturbance."""
import collections


class Table:
    """What was done, when, and how it ended."""

    def __init__(self):
        self.phases = collections.defaultdict(collections.Counter)
        self.codes = collections.defaultdict(collections.Counter)
        self.slowest = collections.defaultdict(float)

    def add(self, kind, phase, code, seconds=0.0):
        self.phases[kind][phase] += 1
        self.codes[kind][code] += 1
        self.slowest[kind] = max(self.slowest[kind], seconds)

    def text(self):
        columns = [name for name in ["loading", "opening", "gan", "ratio", "classifier", "sample", "evaluate", "write", "between"]
                   if any(counts[name] for counts in self.phases.values())]
        lines = [f"{'kind':<10}" + "".join(f"{name:>11}" for name in columns) + f"{'latest end':>12}  exit codes"]
        for kind, counts in sorted(self.phases.items()):
            codes = ", ".join(f"{code} x {n}" for code, n in sorted(self.codes[kind].items()))
            end = f"{self.slowest[kind]:.1f} s" if self.slowest[kind] else "-"
            lines.append(f"{kind:<10}" + "".join(f"{counts[name] or '-':>11}" for name in columns) + f"{end:>12}  {codes}")
        return "\n".join(lines)
