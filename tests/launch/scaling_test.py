"""launch/scaling.py with a program that reports rates by a known law instead of measuring: what it writes, and its efficiencies."""
import csv
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "launch")

# As `fake info --json FILE` of a machine without a GPU; and as `mpi -n N fake bench KIND ...`: 1 ms per image and rank, 20 ms of each step that ranks do not share.
FAKE = """#!{python}
import json, sys
a = sys.argv[1:]
if a[0] == "info":
    json.dump({{"devices": []}}, open(a[a.index("--json") + 1], "w"))
    sys.exit()
ranks = int(a[a.index("-n") + 1])
a = a[a.index("bench"):]
what = a[1]
sets = dict(x.split("=", 1) for i, x in enumerate(a) if a[i - 1] == "--set")
steps = int(a[a.index("--steps") + 1]) if "--steps" in a else 1
spread = lambda v: {{"median": v, "min": v, "max": v}}
if what == "training":
    batch = int(sets["train.batch"])
    assert sets["train.shards"] == "0" and sets["train.generator_batch"] == str(batch)
    out = {{"discriminator_steps": 1, "discriminator_parameters": 250000, "generator_parameters": 250000,
           "images_per_second": spread(batch / (0.020 + 0.001 * batch / ranks))}}
elif what == "sampler":
    out = {{"chain_steps_per_second": spread(ranks * 1000.0)}}
elif what == "evaluation":
    count = steps * int(sets["evaluate.batch"])
    out = {{"features": 64, "images_per_second": spread(count / (0.020 + 0.001 * count / ranks))}}
else:
    out = {{"all_reduce": [{{"bytes": b, "microseconds": 1e6 * (2 * (ranks - 1) * 1e-5 + 2 * (ranks - 1) / ranks * b * 1e-9)}} for b in (1024, 1 << 24)]}}
json.dump(out, open(a[a.index("--json") + 1], "w"))
"""


class Scaling(unittest.TestCase):
    def test_study(self):
        with tempfile.TemporaryDirectory() as folder:
            fake = os.path.join(folder, "fake")
            with open(fake, "w") as file:
                file.write(FAKE.format(python=sys.executable))
            os.chmod(fake, os.stat(fake).st_mode | stat.S_IXUSR)
            out = os.path.join(folder, "out")
            # "mpirun" is the fake too: it gets -n, then the program's name, which it ignores
            text = subprocess.run([sys.executable, os.path.join(LAUNCH, "scaling.py"), "some.yaml", "--binary", fake, "--mpi", fake,
                                   "--cores", "4", "--ranks", "1 2 4", "--rounds", "2", "--rank-batch", "20", "--out", out],
                                  check=True, capture_output=True, text=True).stdout
            with open(os.path.join(out, "scaling.json")) as file:
                measured = json.load(file)
            self.assertEqual(measured["processors"], 4)
            self.assertEqual(sorted(measured["studies"]), sorted(f"{w} {k}" for w in ("training", "sampling", "evaluation") for k in ("weak", "strong")))
            strong = measured["studies"]["training strong"]["points"]  # 80 images: 20 ms + 80 ms / n
            self.assertAlmostEqual(strong[0]["seconds"], 0.1, places=9)
            self.assertAlmostEqual(strong[2]["seconds"], 0.04, places=9)
            self.assertAlmostEqual(strong[2]["efficiency"], 0.1 / 4 / 0.04, places=9)
            for point in measured["studies"]["sampling weak"]["points"]:
                self.assertAlmostEqual(point["efficiency"], 1, places=9)
            with open(os.path.join(out, "scaling.csv")) as file:
                self.assertEqual(len(list(csv.DictReader(file))), 3 * 2 * 3 * 2)
            with open(os.path.join(out, "model.json")) as file:
                model = json.load(file)
            self.assertAlmostEqual(model["network"]["beta"] / 1e-9, 1, places=6)
            self.assertEqual([p["ranks"] for p in model["studies"]["training strong"]["predictions"]], [8, 64, 512])
            svg = xml.etree.ElementTree.parse(os.path.join(out, "scaling.svg")).getroot()
            self.assertEqual(sum(e.tag.endswith("circle") for e in svg.iter()), 6 * 3)
            self.assertIn("model, not measured", text)

    def test_ranks_that_do_not_divide_are_refused(self):
        done = subprocess.run([sys.executable, os.path.join(LAUNCH, "scaling.py"), "some.yaml", "--binary", "x", "--mpi", "x", "--cores", "4",
                               "--ranks", "2 3"], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("multiple", done.stderr)


if __name__ == "__main__":
    unittest.main()
