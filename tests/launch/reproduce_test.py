"""bench/reproduction with a program that writes made-up reports: what is run and what is not run again, stops and failures, means and spreads, costs,
what the page says of missing runs, figures."""
import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
import zipfile
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TOOL = os.path.join(ROOT, "bench", "reproduction")
sys.path.insert(0, TOOL)
import charts  # noqa: E402
import questions  # noqa: E402
import runs  # noqa: E402
import tables  # noqa: E402

# FD of the generator: 10 + seed, of every other method 5; a run of seed 13 fails, one of seed 14 waits for a signal and stops with 75.
FAKE = """#!{python}
import json, os, signal, sys, time
a = sys.argv[1:]
if "bench" in a:
    json.dump({{"ranks": 1, "chain_steps_per_second": {{"median": 10.0}}}}, open(a[a.index("--json") + 1], "w"))
    sys.exit()
out = a[a.index("--out") + 1]
sets = dict(x.split("=", 1) for i, x in enumerate(a) if a[i - 1] == "--set")
seed = int(sets.get("seed", 1))
with open(os.path.join(out, "starts"), "a") as file:
    file.write("x")
if seed == 13:
    sys.stderr.write("some line\\nddls_dist: error: train.loss is wrong\\n")
    sys.exit(78)
if seed == 14 and not os.path.exists(os.path.join(out, "stopped")):
    signal.signal(signal.SIGUSR1, lambda *_: (open(os.path.join(out, "stopped"), "w").close(), sys.exit(75)))
    open(os.path.join(out, "waits"), "w").close()
    time.sleep(60)
for phase in ("step-00004000", "ratio-00000100", "calibrated-00000000"):
    os.makedirs(os.path.join(out, "checkpoints", phase), exist_ok=True)
open(os.path.join(out, "checkpoints", "step-00004000", "state.json"), "a").close()
open(os.path.join(out, "config.yaml"), "w").write("name: fake  # of the run\\nsample:  # samplers\\n  start_pool: 5000  # draws\\n  isir:  # resampling\\n    pool: 20000  # draws\\n")
record = lambda fd, **more: {{"count": 1000, "seconds": 2.0, "metrics": {{"frechet_distance": fd, "modes": 25, "modes_recovered": 25 - seed, "high_quality_fraction": 0.5,
                             "mass_total_variation_all": fd / 100, "kid": {{"unbiased": 0.001, "subsets": 100}}, "a_new_metric": 0.25}}, **more}}
methods = {{m: record(10.0 + seed if m == "generator" else 5.0, steps=10, evaluations_per_step={{"gradients": 3.0, "ratios": 2.0}}, exact=m == "mala")
           for m in sets["sample.methods"][1:-1].split(",")}}
methods["generator"] = record(10.0 + seed, exact=False)
json.dump({{"name": "fake", "seed": seed, "ranks": 1, "git_commit": "0123456789abcdef", "seconds": {{"train": 1.0}}, "reference": {{"metrics": {{"frechet_distance": 0.1}}}},
           "energies": {{"ratio": {{"nats": 0.5, "nats_low": 0.4, "nats_high": 0.6, "ess_fraction": 0.2, "log_z": 0.0, "metrics": {{"frechet_distance": None if seed == 12 else 4.0}}}}}}, "methods": methods}},
          open(os.path.join(out, "report.json"), "w"))
"""


class Tool(unittest.TestCase):
    def setUp(self):
        self.held = tempfile.TemporaryDirectory()
        self.folder = self.held.name
        self.fake = os.path.join(self.folder, "fake")
        with open(self.fake, "w") as file:
            file.write(FAKE.format(python=sys.executable))
        os.chmod(self.fake, os.stat(self.fake).st_mode | stat.S_IXUSR)
        self.tool = os.path.join(self.folder, "checkout", "bench", "reproduction")   # of a checkout without data
        shutil.copytree(TOOL, self.tool)
        self.out = os.path.join(self.folder, "out")
        self.page = os.path.join(self.folder, "docs", "page" + ".md")

    def tearDown(self):
        self.held.cleanup()

    def command(self, *more):
        return [sys.executable, self.tool, "--out", self.out, "--document", self.page, "--program", self.fake, "--data", os.path.join(self.folder, "none"), *more]

    def reproduce(self, *more, code=0):
        answer = subprocess.run(self.command(*more), capture_output=True, text=True, timeout=120)
        self.assertEqual(answer.returncode, code, answer.stdout + answer.stderr)
        return answer.stdout

    def starts(self, name):
        path = os.path.join(self.out, "whole", name, "starts")
        return os.path.getsize(path) if os.path.exists(path) else 0

    def text(self):
        with open(self.page, encoding="utf-8") as file:
            return file.read()

    def test_an_energy_whose_weights_give_no_distance(self):
        self.reproduce("--only", "swiss_roll", "--seeds", "swiss_roll=12")
        row = next(line for line in self.text().splitlines() if "| ratio | 0.500 |" in line)
        self.assertEqual(row.split("|")[8].strip(), "")

    def test_whole_and_again(self):
        self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=1,2,3")
        text = self.text()
        self.assertIn("| generator |  | 23.0 ± 1.0 |", text)
        self.assertIn("12.00 ± 1.00", text)                                             # FD of the generator
        self.assertIn("| `a_new_metric` |", text)                                      # a metric that nobody told the tool of
        self.assertIn("| mala | exact |", text)
        self.assertIn("| ddls | biased |", text)
        self.assertIn("| 30 | 20 | 2.0 | 24.8 ± 0.2, 98 ± 2 % |", text)                 # DDLS: costs per sample, the published numbers
        self.assertIn("0.500 ± 0.000 | 0.40 to 0.60", text)
        self.assertIn("3 of ", text)
        self.assertIn("Not run: `launch/reproduce.sh --only swiss_roll`", text)
        self.assertIn("needs the long training `mnist-off`", text)
        self.assertIn("needs the data set fashion-mnist", text)
        self.assertEqual(self.starts("gaussians25/1"), 1)
        self.assertEqual(self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=1,2,3,4").count("gaussians25/"), 1)
        self.assertEqual([self.starts(f"gaussians25/{s}") for s in (1, 2, 3, 4)], [1, 1, 1, 1])
        self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=1", "--count", "9", "--count", "gaussians25=7", "--methods", "gaussians25=generator,dot")  # other settings: once more
        self.assertEqual(self.starts("gaussians25/1"), 2)
        self.assertIn("| dot | biased |", self.text())
        self.assertNotIn("| mala |", self.text())

    def test_variants_begin_at_the_networks_of_another_run(self):
        said = self.reproduce("--only", "mode_dropping", "--seeds", "mode_dropping=1")
        self.assertNotIn("left out", said)
        kept = os.listdir(os.path.join(self.out, "whole", "mode_dropping", "line-noise-0.3", "1", "checkpoints"))
        self.assertIn("step-00004000", kept)
        said = self.reproduce("--only", "step_sizes", "--seeds", "step_sizes=9")
        self.assertIn("step_sizes/1e-6/9: left out: begins at the networks of gaussians25/9, which is not done", said)

    def test_failure_is_kept_and_the_rest_goes_on(self):
        said = self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=13,2")
        self.assertIn("gaussians25/13 failed with 78: ddls_dist: error: train.loss is wrong", said)
        self.assertIn("1 failed", self.text())
        self.assertIn("**Incomplete**: not all of the 2 seeds are done.", self.text())
        self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=13")
        self.assertIn("failed with exit code 78: ddls_dist: error: train.loss is wrong", self.text())

    def test_stop_and_resume(self):
        job = subprocess.Popen(self.command("--only", "gaussians25", "--seeds", "gaussians25=14,15"), stdout=subprocess.DEVNULL)
        waits = os.path.join(self.out, "whole", "gaussians25", "14", "waits")
        for _ in range(300):
            if os.path.exists(waits):
                break
            time.sleep(0.1)
        self.assertIn("another reproduction is at it", self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=14"))
        job.send_signal(signal.SIGINT)
        self.assertEqual(job.wait(30), 75)
        self.assertEqual(self.starts("gaussians25/15"), 0)
        self.assertIn("Stopped: `gaussians25/14`; the same command goes on with it.", self.text())
        self.reproduce("--only", "gaussians25", "--seeds", "gaussians25=14,15")
        self.assertEqual([self.starts("gaussians25/14"), self.starts("gaussians25/15")], [2, 1])

    def test_networks_from_elsewhere(self):
        elsewhere = os.path.join(self.folder, "long")
        os.makedirs(os.path.join(elsewhere, "checkpoints", "step-00000500"))
        with open(os.path.join(elsewhere, "config.yaml"), "w") as file:
            file.write("train:  # training\n  steps: 1000  # updates\n")
        self.reproduce("--only", "mnist_cgan", "--use", f"mnist-off={elsewhere}")
        self.assertIn("the long training `mnist-off` is at step 500 of 1000", self.text())
        os.makedirs(os.path.join(elsewhere, "checkpoints", "step-00001000"))
        self.reproduce("--only", "mnist_cgan", "--use", f"mnist-off={elsewhere}")
        self.assertEqual(self.starts("mnist_cgan/off/1"), 1)
        self.assertIn("Networks trained before, whose training was not repeated: mnist-off", self.text())
        self.assertNotIn(self.folder, self.text())

    def test_quick_is_apart_and_bench(self):
        self.reproduce("--quick", "--only", "swiss_roll", "biggan")
        self.assertEqual(sorted(os.listdir(self.out)), ["quick"])
        said = self.reproduce("--quick", "--only", "biggan")
        self.assertNotIn("biggan/", said)
        self.assertIn("**Quick**", self.text())
        self.assertIn("10.0 chain-steps/s at 1 rank(s) of this machine, so 50 000 samples of 100 steps take 139 h.", self.text())

    def test_usage(self):
        self.reproduce("--only", "nothing", code=64)
        self.reproduce("--nothing", code=64)
        self.reproduce("--seeds", "gaussians25=a", code=64)
        self.reproduce("--use", "mnist-off=" + self.folder, code=66)


class Numbers(unittest.TestCase):
    def test_spread_and_verdict(self):
        self.assertEqual(tables.number([1, 2, 3]), "2.00 ± 1.00")
        self.assertEqual(tables.number([0.5], 100, 1), "50.0")
        self.assertEqual(tables.verdict([-2, -3, -4]), "lower by 3.00 (sd 1.00, so in 3 of 3 seeds)")
        self.assertEqual(tables.verdict([-1, 2]), "no different within the sd over seeds (+0.50 ± 2.12)")
        self.assertEqual(tables.verdict([0.5], digits=1), "higher by 0.5 (one seed: no spread)")
        self.assertEqual(tables.verdict([]), "not measured")

    def test_cost(self):
        config = {"sample.isir.pool": "20000", "sample.start_pool": "5000"}
        record = {"count": 1000, "steps": 64, "seconds": 3, "evaluations_per_step": {"gradients": 0.0, "ratios": 0.0}}
        self.assertEqual(tables.cost(record, config, "isir")["ratios"], 20)
        started = {**record, "evaluations_per_step": {"gradients": 1.0, "ratios": 0.0}, "warmup": {"start_ess_fraction": 0.1}}
        self.assertEqual(tables.cost(started, config, "mala"), {"gradients": 64, "ratios": 5, "seconds": 3, "evaluations": 69})

    def test_config(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("name: a  # b: c\n\ndata:  # what\n  kind: idx  # d\nsample:\n  isir:  # x\n    pool: 7  # y\n  count: 5\n")
            file.flush()
            found = runs.read_config(file.name)
        self.assertEqual((found["name"], found["data.kind"], found["sample.isir.pool"], found["sample.count"]), ("a", "idx", "7", "5"))

    def test_class_mass(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "energies"))
            with zipfile.ZipFile(os.path.join(folder, "energies", "ratio.npz"), "w") as archive:
                archive.writestr("log_ratio.npy", npy("<f8", (4,), struct.pack("<4d", 0, 0, 1.0986122886681098, 1.0986122886681098)))
                archive.writestr("labels.npy", npy("<i8", (4,), struct.pack("<4q", 0, 0, 1, 1)))
            found = questions.class_mass(folder)
        self.assertAlmostEqual(found[0][1], 0.25)
        self.assertAlmostEqual(found[1][0], 1.0986122886681098)
        self.assertEqual(questions.class_mass("nowhere"), {})


def npy(kind, shape, data):
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data


class Figures(unittest.TestCase):
    def test_charts_are_svg(self):
        drawings = [charts.scatter({"generator": (1, 20.0, 0.5), "a<b": (100, 5.0, 0), "c": (101, 5.1, 0)}, "cost", "FD", ("real data", 0.3)),
                    charts.lines({"ddls": [(0, 10.0), (8, 5.0)]}, "steps", "FD"), charts.scatter({"a": (1, 2.0, 0), "b": (1, 2.0, 0)}, "x", "y")]
        for drawing in drawings:
            xml.etree.ElementTree.fromstring(drawing)

    def test_panels_and_first_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "samples.npz")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("arr_0.npy", npy("<f4", (2, 2), struct.pack("<4f", 1, 1, -1, -1)))
            width, height, _, raw = decode(charts.panels([path, path], side=16, gap=8))
            self.assertEqual((width, height), (40, 16))
            self.assertEqual(sum(8 - bin(b).count("1") for b in raw), 2 * 2 + 16 + height * 8)  # two points in each panel, the line, a filter byte per row
            grey = bytes(range(12))
            picture = b"\x89PNG\r\n\x1a\n" + charts.chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 3, 8, 0, 0, 0, 0)) + charts.chunk(
                b"IDAT", zlib.compress(b"".join(b"\0" + grey[3 * i:3 * i + 3] for i in range(3)))) + charts.chunk(b"IEND", b"")
            path = os.path.join(folder, "a.png")
            with open(path, "wb") as file:
                file.write(picture)
            self.assertEqual(decode(charts.first_rows(path, 2)), (3, 2, 8, b"\0\0\1\2\0\3\4\5"))
            self.assertEqual(charts.first_rows(path, 9), picture)


def decode(png):
    width, height, bits = struct.unpack(">IIB", png[16:25])
    at = png.index(b"IDAT")
    return width, height, bits, zlib.decompress(png[at + 4:at + 4 + struct.unpack(">I", png[at - 4:at])[0]])


if __name__ == "__main__":
    unittest.main()
