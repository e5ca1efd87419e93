"""The reproduction: runs what is not done, then writes the document. launch/reproduce.sh calls it; --help says how."""
import argparse
import os
import shlex
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import document                                     # noqa: E402  (the folder is no package that is installed)
from parts import PARTS                             # noqa: E402
from runs import ROOT, STOPPED, Study, read_json    # noqa: E402

BENCHES = ("cifar10-biggan", "cifar10-sngan", "cifar10-sndcgan")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(64, f"{self.prog}: {message}; see --help\n")


def counted(text):
    """"7" as ("", 7): every part; "PART=7" as (PART, 7)."""
    part, _, number = text.rpartition("=")
    if not number.isdigit() or int(number) < 1 or (part and part not in {p.name for p in PARTS}):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of samples nor PART=N")
    return part, int(number)


def arguments(argv):
    parser = Parser(prog="launch/reproduce.sh", description="Runs the parts of the reproduction that are not done, each run in a folder of its own, and writes a Markdown page of what is. "
                                     "Interrupted (Ctrl-C, SIGTERM) it ends with 75 and goes on from there the next time.")
    parser.add_argument("--quick", action="store_true", help="every part small: ten minutes on two cores")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="these parts: " + ", ".join([p.name for p in PARTS] + ["biggan"]))
    parser.add_argument("--out", default="runs/reproduction", metavar="FOLDER", help="where runs lie (runs/reproduction)")
    parser.add_argument("--document", metavar="FILE", help="the page (reproduction, in FOLDER); figures go to images/ beside it")
    parser.add_argument("--data", action="append", default=[], metavar="FOLDER", help="a folder like data/: holds fashion-mnist/...; repeatable (also DDLS_DATA, with colons)")
    parser.add_argument("--use", action="append", default=[], metavar="NAME=RUN", help="networks of a run folder from elsewhere: of a long training (mnist-off, mnist-ddls, cifar10), or for PART[/VARIANT]/SEED")
    parser.add_argument("--seeds", action="append", default=[], metavar="PART=N,N", help="these seeds of a part")
    parser.add_argument("--methods", action="append", default=[], metavar="PART=A,B", help="these of a part's methods")
    parser.add_argument("--count", action="append", default=[], type=counted, metavar="[PART=]N", help="so many samples per method in place of each recipe's; repeatable")
    parser.add_argument("--extractor", default="", metavar="FILE", help="feature network of CIFAR-10")
    parser.add_argument("-np", dest="ranks", type=int, default=1, metavar="N", help="ranks of each run")
    parser.add_argument("--document-only", action="store_true", help="run nothing, write the page")
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "ddls_dist"), metavar="FILE", help="ddls_dist")
    found = parser.parse_args(argv)
    names = [p.name for p in PARTS] + ["biggan"]
    for name in found.only:
        if name not in names:
            parser.error(f"there is no part '{name}'; there are {', '.join(names)}")
    for option in found.use + found.seeds + found.methods:
        if "=" not in option:
            parser.error(f"'{option}' is not NAME=VALUE")
    for option in found.use:
        folder = option.split("=", 1)[1]
        if not os.path.isdir(os.path.join(folder, "checkpoints")):
            parser.exit(66, f"launch/reproduce.sh: --use {option}: there is no {folder}/checkpoints\n")
    try:
        found.seeds = {k: tuple(int(s) for s in v.split(",")) for k, v in (o.split("=", 1) for o in found.seeds)}
    except ValueError:
        parser.error("--seeds takes PART=N,N,...")
    found.methods = {k: v.split(",") for k, v in (o.split("=", 1) for o in found.methods)}
    found.use = {k: os.path.realpath(v) for k, v in (o.split("=", 1) for o in found.use)}
    return found


def benches(study, ranks):
    """Speed of networks that nobody trains on two cores."""
    folder = os.path.join(study.folder, "biggan")
    os.makedirs(folder, exist_ok=True)
    for name in BENCHES:
        path = os.path.join(folder, name + ".json")
        if read_json(path) or study.stopping:
            continue
        print(f"biggan/{name}", flush=True)
        command = study.launcher(ranks) + [study.binary, "bench", "sampler", "--config", os.path.join(ROOT, "configs", name + ".yaml"), "--steps", "1", "--rounds", "1", "--json", path]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            print(f"  failed with {answer.returncode}: {answer.stderr.strip()[-300:]}")


def shown_command(argv):
    """As typed, without folders of this machine."""
    words, hide = [], False
    for word in argv:
        if hide:
            word = word.split("=")[0] + "=RUN" if "=" in word else "PATH"
        hide = word in ("--use", "--data", "--out", "--document", "--extractor", "--program")
        words.append(word)
    return " ".join(["launch/reproduce.sh"] + [shlex.quote(w) for w in words])


def main(argv):
    options = arguments(argv)
    data = options.data + [d for d in os.environ.get("DDLS_DATA", "").split(":") if d]
    study = Study(options.out, options.quick, options.use, data, options.extractor, dict(options.count), options.seeds, options.methods, options.program)
    page = options.document or os.path.join(options.out, "reproduction" + ".md")
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(name, study.stop)
    say = lambda text: print(text, flush=True)
    finished = True
    if not options.document_only:
        if not os.access(options.program, os.X_OK):
            say(f"launch/reproduce.sh: there is no program {options.program}: launch/setup.sh builds it")
            return 66
        os.makedirs(study.folder, exist_ok=True)
        if options.only != ["biggan"]:
            finished = study.all(options.ranks, options.only, say)
        if finished and (not options.only or "biggan" in options.only):
            benches(study, options.ranks)
    words = [w for w in argv if w != "--document-only"]
    document.write(study, page, shown_command(words))
    say(f"page: {page}")
    return 0 if finished else STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
