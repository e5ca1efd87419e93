"""The runs of the parts: folders, settings, what is done and what is not, and starting the program."""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time

from parts import BY_NAME, PARTS

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
STOPPED = 75
IDX = {"data.train": "train-images-idx3-ubyte.gz", "data.train_labels": "train-labels-idx1-ubyte.gz",
       "data.test": "t10k-images-idx3-ubyte.gz", "data.test_labels": "t10k-labels-idx1-ubyte.gz"}


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def write_json(path, value):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    os.replace(path + ".new", path)


def read_config(path):
    """The resolved configuration that a run keeps (two spaces per level, one key per line), as {"sample.count": "10000", ...}."""
    values, above = {}, []
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return {}
    for line in text.splitlines():
        key, colon, value = line.split("  #")[0].partition(":")
        if not colon or key.lstrip().startswith("#"):
            continue
        depth = (len(key) - len(key.lstrip())) // 2
        above[depth:] = [key.strip()]
        values[".".join(above)] = value.strip().strip('"')
    return values


class Run:
    """One run folder of the program, and why it cannot be run where it cannot."""

    def __init__(self, study, part, variant, seed):
        self.study, self.part, self.variant, self.seed = study, part, variant, seed
        self.name = "/".join(filter(None, (part.name, variant, str(seed))))
        self.folder = os.path.join(study.folder, self.name)
        self.spec = part.variants[variant]

    @property
    def report(self):
        return read_json(os.path.join(self.folder, "report.json"))

    @property
    def state(self):
        return read_json(os.path.join(self.folder, "reproduction.json")) or {}

    @property
    def done(self):
        state = self.state
        return state.get("exit") == 0 and state.get("settings") == self.settings() and self.report is not None

    def external(self):
        """The folder of --use with this run's networks: by the run's name, or by that of a long training."""
        names = [self.name] + ([self.part.uses[self.variant]] if self.variant in self.part.uses else [])
        return next((self.study.use[n] for n in names if n in self.study.use), None)

    def configuration(self):
        """The file, and whether it is that of the folder where the networks are."""
        if self.variant in self.part.uses and self.external():
            return os.path.join(self.external(), "config.yaml")
        return os.path.join(ROOT, self.part.config)

    def settings(self):
        chosen = dict(self.part.settings)
        if self.study.quick:
            chosen |= self.part.quick
        chosen |= self.spec.settings
        if self.part.name in self.study.methods:
            kept = [m for m in chosen["sample.methods"][1:-1].split(",") if m in self.study.methods[self.part.name]]
            chosen["sample.methods"] = "[" + ",".join(kept) + "]"
        if self.variant not in self.part.uses:
            chosen["seed"] = self.seed
            if self.part.data:
                folder = self.study.data_folder(self.part.data)
                chosen |= {key: os.path.join(folder, name) for key, name in IDX.items()} if folder else {}
        if self.part.extractor and self.study.extractor:
            chosen["evaluate.extractor"] = self.study.extractor
        count = self.study.count.get(self.part.name, self.study.count.get(""))
        if count:
            chosen["sample.count"] = count
        return {key: str(value) for key, value in chosen.items()}

    def command(self, ranks):
        program = [self.study.binary, "--config", self.configuration(), "--out", self.folder]
        for key, value in {**self.settings(), "sample.checkpoint_every": 200}.items():   # or a stop would wait for the end of a block
            program += ["--set", f"{key}={value}"]
        return self.study.launcher(ranks) + program

    def base(self):
        """The run whose networks this one begins at, or None."""
        if self.spec.start is None:
            return None
        part, variant = self.spec.start
        return Run(self.study, BY_NAME[part], variant, self.seed)

    def missing(self):
        """Why this run cannot be made now; empty: it can."""
        if self.part.data and not self.study.data_folder(self.part.data):
            return f"needs the data set {self.part.data} (in data/, or --data FOLDER)"
        if self.variant in self.part.uses:
            label = self.part.uses[self.variant]
            if not self.external():
                return f"needs the long training `{label}`: `{self.part.training}`, then `--use {label}=FOLDER`"
            wanted = int(read_config(self.configuration()).get("train.steps", "0"))
            newest = newest_step(self.external())
            if newest < wanted:
                return f"the long training `{label}` is at step {newest} of {wanted}"
            if self.part.extractor and not self.study.extractor:
                return "needs a feature network: `--extractor FILE`"
        base = self.base()
        if base and not base.done:
            return f"begins at the networks of {base.name}, which is not done"
        return ""

    def prepare(self):
        """Checkpoints of another run as links (files of checkpoints are never written to), once."""
        source, keep = None, self.spec.keep
        if self.external():
            source = self.external()
        elif self.base():
            source = self.base().folder
        target = os.path.join(self.folder, "checkpoints")
        os.makedirs(self.folder, exist_ok=True)
        if source is None or os.path.isdir(target):
            return
        temporary = target + ".new"
        shutil.rmtree(temporary, ignore_errors=True)
        os.makedirs(temporary)
        for name in sorted(os.listdir(os.path.join(source, "checkpoints"))):
            if name.startswith(keep):
                shutil.copytree(os.path.join(source, "checkpoints", name), os.path.join(temporary, name), copy_function=link_or_copy)
        os.replace(temporary, target)


def newest_step(folder):
    try:
        names = os.listdir(os.path.join(folder, "checkpoints"))
    except OSError:
        return 0
    return max([int(n[5:]) for n in names if n.startswith("step-") and n[5:].isdigit()], default=0)


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class Study:
    """All runs of one --out folder."""

    def __init__(self, out, quick=False, use=None, data=(), extractor="", count=None, seeds=None, methods=None, binary="ddls_dist", mpirun="mpirun"):
        self.quick, self.use, self.data, self.count, self.seeds = quick, use or {}, list(data), count or {}, seeds or {}
        self.methods = methods or {}
        self.extractor = os.path.realpath(extractor) if extractor else ""
        self.folder = os.path.join(os.path.realpath(out), "quick" if quick else "whole")
        self.binary, self.mpirun = binary, mpirun
        self.job, self.stopping = None, False

    def launcher(self, ranks):
        return [self.mpirun, "-q", "-np", str(ranks), "--bind-to", "none", "--oversubscribe"] if ranks > 1 else []

    def data_folder(self, name):
        for parent in [*self.data, os.path.join(ROOT, "data")]:
            folder = os.path.join(os.path.realpath(parent), name)
            if os.path.isfile(os.path.join(folder, IDX["data.train"])):
                return folder
        return None

    def seeds_of(self, part):
        if part.name in self.seeds:
            return self.seeds[part.name]
        return part.quick_seeds if self.quick else part.seeds

    def runs(self, part):
        variants = [v for v, spec in part.variants.items() if spec.quick or not self.quick]
        return [Run(self, part, variant, seed) for seed in self.seeds_of(part) for variant in variants]

    def stop(self, *_):
        """The first signal lets the program save its state; the second ends it."""
        if self.job and self.job.poll() is None:
            self.job.send_signal(signal.SIGTERM if self.stopping else signal.SIGUSR1)
        self.stopping = True

    def execute(self, run, ranks, say=print):
        """Runs what is not done; True: there is a result. A run that fails is kept with its message, and the others go on."""
        if run.done:
            return True
        os.makedirs(run.folder, exist_ok=True)
        with open(os.path.join(run.folder, "reproduction.lock"), "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("  another reproduction is at it: left out")
                return False
            return self.start(run, ranks, say)

    def start(self, run, ranks, say):
        run.prepare()
        settings, begun = run.settings(), time.time()
        log = os.path.join(run.folder, "reproduction.log")
        environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        environment.setdefault("OMP_NUM_THREADS", "1")
        environment.setdefault("OMP_WAIT_POLICY", "passive")
        with open(log, "ab") as file:   # a session of its own: a terminal's Ctrl-C must not reach the ranks before they can save
            self.job = subprocess.Popen(run.command(ranks), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True)
            code = self.job.wait()
        if code < 0 and self.stopping:   # before it could catch the signal
            code = STOPPED
        before = run.state.get("seconds", 0) if run.state.get("settings") == settings else 0
        write_json(os.path.join(run.folder, "reproduction.json"),
                   {"settings": settings, "exit": code, "seconds": before + time.time() - begun, "ranks": ranks, "message": last_error(log) if code else ""})
        if code not in (0, STOPPED):
            say(f"  {run.name} failed with {code}: {last_error(log)}")
        return code == 0

    def all(self, ranks, only=(), say=print):
        """Every run of the parts; False: stopped."""
        for part in PARTS:
            if only and part.name not in only:
                continue
            for run in self.runs(part):
                if run.done:
                    continue
                why = run.missing()
                say(f"{run.name}" + (f": left out: {why}" if why else ""))
                if not why:
                    self.execute(run, ranks, say)
                if self.stopping:
                    return False
        return True


def last_error(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    errors = [line for line in lines[-40:] if "error" in line.lower()]
    return (errors or lines or ["no message"])[-1][:400]
