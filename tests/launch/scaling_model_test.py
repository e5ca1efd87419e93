"""The scaling model on synthetic data: it finds the constants that made the points, and says what points left out."""
import os
import random
import subprocess
import sys
import tempfile
import unittest
import json

LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "launch")
sys.path.insert(0, LAUNCH)
import scaling_model as m  # noqa: E402

ALPHA, BETA = 3e-5, 2e-10


def collectives(noise=0.0, seed=1):
    r = random.Random(seed)
    return [{"ranks": n, "bytes": b, "seconds": (2 * (n - 1) * ALPHA + 2 * (n - 1) / n * b * BETA) * (1 + noise * r.uniform(-1, 1))}
            for n in (1, 2, 4, 8) for b in (1 << 10, 1 << 16, 1 << 22, 1 << 26)]


def study(kind, ranks, serial, each, messages, size, noise=0.0, processors=None):
    network = {"alpha": ALPHA, "beta": BETA}
    s = {"kind": kind, "messages": messages, "bytes": size, "points": []}
    r = random.Random(2)
    for n in ranks:
        t = m.predict(s, network, {"serial": serial, "each": each}, n, processors)
        s["points"].append({"ranks": n, "seconds": t * (1 + noise * r.uniform(-1, 1))})
    return s


class ScalingModel(unittest.TestCase):
    def test_network_constants_are_found(self):
        network = m.fit_network(collectives())
        self.assertAlmostEqual(network["alpha"] / ALPHA, 1, places=6)
        self.assertAlmostEqual(network["beta"] / BETA, 1, places=6)
        self.assertEqual(network["points"], 12)
        noisy = m.fit_network(collectives(0.05))
        self.assertLess(abs(noisy["alpha"] / ALPHA - 1), 0.1)
        self.assertLess(abs(noisy["beta"] / BETA - 1), 0.1)

    def test_one_rank_alone_has_no_network(self):
        self.assertEqual(m.fit_network([{"ranks": 1, "bytes": 1024, "seconds": 1e-6}]), {"alpha": 0.0, "beta": 0.0, "points": 0})

    def test_amdahl_part_is_found(self):
        s = study("strong", (1, 2, 4, 8), 0.02, 0.9, 3, 17_000_000)
        network = m.fit_network(collectives())
        fitted = m.fit_study(s, network, s["points"])
        self.assertAlmostEqual(fitted["serial"], 0.02, places=6)
        self.assertAlmostEqual(fitted["each"], 0.9, places=6)
        self.assertLess(m.left_out_error(s, network), 1e-6)
        # efficiency at 512 by hand
        seconds = 0.02 + 0.9 / 512 + 3 * 2 * 511 * ALPHA + 17_000_000 * 2 * 511 / 512 * BETA
        out = m.model_of({"studies": {"s": s}, "collectives": collectives()}, [512])["studies"]["s"]["predictions"][0]
        self.assertAlmostEqual(out["seconds"], seconds, places=6)
        self.assertAlmostEqual(out["efficiency"], 0.92 / 512 / seconds, places=6)

    def test_weak_scaling_keeps_its_time_but_for_messages(self):
        s = study("weak", (1, 2, 4), 0.0, 0.5, 2, 1_000_000)
        out = m.model_of({"studies": {"s": s}, "collectives": collectives()}, [64])["studies"]["s"]
        self.assertAlmostEqual(out["fitted"]["each"], 0.5, places=6)
        self.assertLess(out["predictions"][0]["efficiency"], 1)
        self.assertAlmostEqual(out["predictions"][0]["seconds"], 0.5 + 2 * 2 * 63 * ALPHA + 1e6 * 2 * 63 / 64 * BETA, places=6)

    def test_ranks_that_share_cores_do_not_hide_what_one_each_would_do(self):
        s = study("strong", (1, 2, 4, 8), 0.02, 0.9, 3, 17_000_000, processors=2)
        self.assertAlmostEqual(s["points"][2]["seconds"], 2 * (0.02 + 0.9 / 4) + 3 * 2 * 3 * ALPHA + 17_000_000 * 2 * 3 / 4 * BETA, places=9)
        waiting = [{**c, "seconds": c["seconds"] * (50 if c["ranks"] > 2 else 1)} for c in collectives()]
        measured = {"studies": {"s": s}, "collectives": waiting, "processors": 2}
        out = m.model_of(measured, [8])
        self.assertAlmostEqual(out["network"]["alpha"] / ALPHA, 1, places=6)
        self.assertLess(out["studies"]["s"]["left_out_error"], 1e-6)
        alone = study("strong", (8,), 0.02, 0.9, 3, 17_000_000)["points"][0]["seconds"]  # on 8 cores
        self.assertAlmostEqual(out["studies"]["s"]["predictions"][0]["seconds"], alone, places=6)
        self.assertGreater(m.model_of({**measured, "processors": None}, [8])["studies"]["s"]["left_out_error"], 0.3)

    def test_points_that_do_not_follow_the_model_are_told(self):
        s = study("strong", (1, 2, 4, 8), 0.02, 0.9, 3, 17_000_000)
        s["points"][2]["seconds"] *= 2
        self.assertGreater(m.left_out_error(s, m.fit_network(collectives())), 0.3)

    def test_two_points_leave_none_out(self):
        s = study("strong", (1, 2), 0.02, 0.9, 0, 0)
        self.assertIsNone(m.left_out_error(s, {"alpha": 0.0, "beta": 0.0}))

    def test_noise_does_not_make_negative_parts(self):
        for noise in (0.02, 0.1, 0.3):
            s = study("strong", (1, 2, 4, 8), 0.0, 1.0, 0, 0, noise)
            fitted = m.fit_study(s, {"alpha": 0.0, "beta": 0.0}, s["points"])
            self.assertGreaterEqual(fitted["serial"], 0)
            self.assertGreater(fitted["each"], 0)

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "points.json")
            with open(path, "w") as file:
                json.dump({"studies": {"training strong": study("strong", (1, 2, 4), 0.02, 0.9, 3, 17_000_000)}, "collectives": collectives()}, file)
            text = subprocess.run([sys.executable, os.path.join(LAUNCH, "scaling_model.py"), path, "--predict", "8", "512"],
                                  check=True, capture_output=True, text=True).stdout
            self.assertIn("512 ranks", text)
            self.assertIn("model, not measured", text)
            self.assertIn("assumed:", text)


if __name__ == "__main__":
    unittest.main()
