#!/usr/bin/env python3
"""What launch/gpu_check.sh runs. Standard library only."""
import argparse
import hashlib
import json
import os
import random
import shlex
import shutil
import struct
import subprocess
import sys
import threading
import time

NO_GPU, FAILED = 78, 70
PRECISIONS = ("float32", "tf32", "bfloat16")
# Points and small images: seconds each. One line per key that differs from the defaults.
SMALL = {"points": """name: gpu_check
data: {kind: gaussians25, points: 4000}
model: {generator_widths: [64, 64], discriminator_widths: [64, 64], ratio_widths: [64, 64]}
train: {steps: 50, batch: 64, checkpoint_every: 1000, ratio: {steps: 50, batch: 64}}
sample: {methods: [generator, ddls, mala], count: 1000, block_size: 125, ddls: {steps: 50}, mala: {steps: 50, step_sizes: [0.05]}}
""", "images": """name: gpu_check_images
data: {kind: idx, train: FOLDER/images.idx, train_labels: FOLDER/labels.idx, test: FOLDER/images.idx, test_labels: FOLDER/labels.idx}
model: {architecture: sn_resnet, latent_dim: 16, generator_widths: [32, 32], discriminator_widths: [32, 32]}
train: {steps: 20, batch: 32, checkpoint_every: 1000, classifier: {steps: 50}}
sample: {methods: [generator, ddls, mala], count: 200, block_size: 32, ddls: {steps: 20}, mala: {steps: 20, step_sizes: [0.02], warmup: 20}}
"""}
BENCHES = [  # name, kind, options
    ("training sn_dcgan 64", "training", ["--config", "cifar10-sndcgan.yaml", "--set", "train.shards=0"]),
    ("training sn_resnet 64", "training", ["--config", "cifar10-sngan.yaml", "--set", "train.shards=0"]),
    ("training sn_resnet 64 in tf32", "training", ["--config", "cifar10-sngan.yaml", "--set", "train.shards=0", "--set", "train.precision=tf32"]),
    ("training sn_resnet 64 in bfloat16", "training", ["--config", "cifar10-sngan.yaml", "--set", "train.shards=0", "--set", "train.precision=bfloat16"]),
    ("sampler sn_resnet 512", "sampler", ["--config", "cifar10-sngan.yaml", "--set", "sample.block_size=512"]),
    ("sampler sn_resnet 512 as a CUDA graph", "sampler", ["--config", "cifar10-sngan.yaml", "--set", "sample.block_size=512", "--set", "sample.cuda_graph=true"]),
    ("sampler sn_resnet 512 in tf32", "sampler", ["--config", "cifar10-sngan.yaml", "--set", "sample.block_size=512", "--set", "sample.precision=tf32"]),
    ("sampler sn_resnet 512 in bfloat16", "sampler", ["--config", "cifar10-sngan.yaml", "--set", "sample.block_size=512", "--set", "sample.precision=bfloat16"]),
    ("sampler mlp 5000", "sampler", ["--config", "gaussians25.yaml", "--set", "sample.block_size=5000"]),
    ("sampler mlp 5000 as a CUDA graph", "sampler", ["--config", "gaussians25.yaml", "--set", "sample.block_size=5000", "--set", "sample.cuda_graph=true"]),
    ("evaluation", "evaluation", ["--config", "cifar10-sngan.yaml"]),
    ("collectives", "collectives", []),
]


class Memory(threading.Thread):
    """The most memory that nvidia-smi sees in use on any GPU while it runs; None where it cannot be asked."""

    def __init__(self):
        super().__init__(daemon=True)
        self.done, self.most = threading.Event(), None

    def run(self):
        while not self.done.is_set():
            for line in smi("memory.used"):
                if line.isdigit():
                    self.most = max(self.most or 0, int(line))
            self.done.wait(0.5)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def smi(field):
    try:
        out = subprocess.run(["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in out.stdout.splitlines()] if out.returncode == 0 else []


def left(args):
    return args.deadline - time.monotonic()


def time_for(args, report, name, seconds=10):
    """Is there time for something that takes so long at least? Else it is noted as left out."""
    if left(args) >= seconds:
        return True
    report["left_out"].append(name)
    print(f"left out {name}: the time is up", flush=True)
    save(args, report)
    return False


def run(args, command, limit=600):
    """Exit code, output, seconds. 124: it took longer than the limit, or than what is left of the budget."""
    start = time.monotonic()
    limit = max(1, min(limit, left(args)))
    with open(os.path.join(args.out, "last.log"), "w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            code = 124
        log.seek(0)
        return code, log.read(), time.monotonic() - start


def mpi(args, ranks):
    return [*shlex.split(args.mpirun), "--bind-to", "none", "--oversubscribe", "-np", str(ranks)]


def test_program(args, name):
    for folder in ("", "gpu", "mpi"):
        path = os.path.join(args.tests, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def sample_hashes(folder):
    found = {}
    for root, _, files in os.walk(os.path.join(folder, "samples")):
        for name in files:
            if name in ("samples.npz", "latents.npz", "chains.jsonl"):
                path = os.path.join(root, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def save(args, report):
    """After every check: whoever runs out of time still has what was found."""
    for name, text in (("gpu_check.json", json.dumps(report, indent=2) + "\n"), ("gpu_check.txt", summary(report))):
        path = os.path.join(args.out, name)
        with open(path + ".new", "w") as file:
            file.write(text)
        os.replace(path + ".new", path)


def check(args, report, name, passed, why="", **more):
    if not passed and left(args) <= 0:  # what ended it was the budget
        time_for(args, report, name)
        return
    report["checks"].append({"name": name, "passed": passed, **({"why": why} if why and not passed else {}), **more})
    print(f"{'ok     ' if passed else 'FAILED '} {name}" + (f": {why.strip()[-600:]}" if why and not passed else ""), flush=True)
    save(args, report)


def run_tests(args, report, gpus):
    program = test_program(args, "mpi_gpu")
    if not program:
        check(args, report, "GPU tests", False, f"there is no test program mpi_gpu in {args.tests}: build the tests (launch/setup.sh), or pack with --tests")
        return
    plans = [("1 rank", 1, {})]
    if report["gpus_can_be_shared"]:
        plans.append(("2 ranks on one GPU, through host memory", 2, {"CUDA_VISIBLE_DEVICES": args.first}))
    if gpus > 1:
        plans.append((f"{gpus} ranks, one per GPU, NCCL", gpus, {}))
    for name, ranks, variables in plans:
        if not time_for(args, report, "tests: " + name):
            continue
        code, output, seconds = run(args, ["env", *(f"{k}={v}" for k, v in variables.items()), *mpi(args, ranks), program])
        skipped = "no GPU: " in output
        check(args, report, "tests: " + name, code == 0 and not skipped, f"exit code {code}\n{output}", seconds=round(seconds, 1))


def unit_tests():
    """Names of the unit tests that compute on a GPU, and what of each is left out there."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "gpu_left_out.txt")) as lines:
        return [line.split() for line in lines if not line.startswith("#")]


def run_unit_tests(args, report):
    """Networks, samplers and training as on the CPU: closed forms, exactness, gradients."""
    for name, without in unit_tests():
        program = test_program(args, name)
        if not program:
            report["left_out"].append(f"tests: {name}, which is not in {args.tests}")
            print(f"left out tests: {name}, which is not in {args.tests}", flush=True)
            continue
        if not time_for(args, report, "tests: " + name, 20):
            continue
        code, output, seconds = run(args, ["env", "DDLS_TEST_DEVICE=gpu", program, f"--gtest_filter=-{without}", "--gtest_brief=1"], 180)
        check(args, report, f"tests: {name} on the GPU", code == 0, f"exit code {code}\n{output}", seconds=round(seconds, 1))


def run_profiles(args, report):
    """Where a Langevin step's time goes, at each precision: what decides the next work on speed."""
    out = os.path.join(args.out, ".profile.json")
    for precision in PRECISIONS:
        name = f"profile of a step of sn_resnet 512 in {precision}"
        if not time_for(args, report, name, 20):
            continue
        code, output, seconds = run(args, [*mpi(args, 1), args.binary, "bench", "sampler", "--config", os.path.join(args.configs, "cifar10-sngan.yaml"), "--set", f"sample.block_size={args.profile_block}",
                                           "--set", f"sample.precision={precision}", "--profile", "--device", "cuda", "--json", out], 120)
        profile = {}
        if code == 0:
            with open(out) as file:
                profile = json.load(file).get("profile", {})
            os.remove(out)
        check(args, report, name, bool(profile.get("operations")), f"exit code {code}\n{output}", seconds=round(seconds, 1))
        if profile:
            report["profiles"].append({"precision": precision, "profile": profile})
            save(args, report)


def write_images(folder, count=400, side=16):
    """idx files of grey squares on black, each of its own place, size and brightness, labelled by their size."""
    chance = random.Random(1)
    with open(os.path.join(folder, "images.idx"), "wb") as file, open(os.path.join(folder, "labels.idx"), "wb") as labels:
        file.write(struct.pack(">4BIII", 0, 0, 8, 3, count, side, side))
        labels.write(struct.pack(">4BI", 0, 0, 8, 1, count))
        for _ in range(count):
            size, grey = chance.randrange(3, side // 2), chance.randrange(96, 256)
            labels.write(bytes([size - 3]))
            top, left = chance.randrange(side - size), chance.randrange(side - size)
            file.write(bytes(grey if top <= y < top + size and left <= x < left + size else 0 for y in range(side) for x in range(side)))


def run_small(args, report, gpus, kind):
    """Training at one rank; then samples of the same weights at several rank counts must be the same bytes."""
    config = os.path.join(args.out, f"{kind}.yaml")
    write_images(args.out)
    with open(config, "w") as file:
        file.write(SMALL[kind].replace("FOLDER", os.path.abspath(args.out)))
    reference = None
    for ranks in sorted({1, 2, 3, gpus} if report["gpus_can_be_shared"] else {1, gpus}):
        if not time_for(args, report, f"{kind} at {ranks} ranks"):
            continue
        folder = os.path.join(args.out, f"{kind}-np{ranks}")
        shutil.rmtree(folder, ignore_errors=True)
        variables = ["env", f"CUDA_VISIBLE_DEVICES={args.first}"] if 1 < ranks != gpus else []  # ranks share the first GPU
        if reference:
            os.makedirs(folder)
            shutil.copytree(os.path.join(args.out, f"{kind}-np1", "checkpoints"), os.path.join(folder, "checkpoints"))
        command = ["sample"] if reference else []
        code, output, seconds = run(args, [*variables, *mpi(args, ranks), args.binary, *command, "--config", config, "--out", folder, "--device", "cuda"])
        if code != 0:
            check(args, report, f"{kind} at {ranks} ranks", False, f"exit code {code}\n{output}")
            continue
        found = sample_hashes(folder)
        if reference is None:
            reference = found
            check(args, report, f"{kind}: pipeline on one GPU", len(found) == 9, f"only {sorted(found)}", seconds=round(seconds, 1))
        else:
            other = sorted(k for k in reference if found.get(k) != reference[k])
            check(args, report, f"{kind}: samples at {ranks} ranks are those at 1", not other, f"other bytes: {', '.join(other)}")
    if reference and time_for(args, report, f"{kind}: the same run on the CPU"):  # not the same bytes, but the same kind of result
        code, output, _ = run(args, [*mpi(args, 1), args.binary, "--config", config, "--out", os.path.join(args.out, f"{kind}-cpu"), "--device", "cpu"])
        check(args, report, f"{kind}: the same run on the CPU", code == 0, f"exit code {code}\n{output}")


def weight_hashes(folder):
    found = {}
    for root, _, files in os.walk(os.path.join(folder, "checkpoints")):
        for name in files:
            if name in ("generator.safetensors", "discriminator.safetensors"):
                path = os.path.join(root, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def run_training(args, report):
    """Training must give the same weights a second time, and at two ranks (which share a GPU here)."""
    for kind, precision in (("images", "float32"), ("points", "float32"), ("images", "tf32"), ("images", "bfloat16")):
        reference = None
        for what, ranks in (("", 1), (" a second time", 1), *([(" at 2 ranks", 2)] if report["gpus_can_be_shared"] else [])):
            name = f"training {kind} in {precision}{what}"
            if not time_for(args, report, name):
                continue
            folder = os.path.join(args.out, "training")
            shutil.rmtree(folder, ignore_errors=True)
            code, output, seconds = run(args, ["env", f"CUDA_VISIBLE_DEVICES={args.first}", *mpi(args, ranks), args.binary, "train", "--config", os.path.join(args.out, f"{kind}.yaml"),
                                               "--out", folder, "--device", "cuda", "--set", f"train.precision={precision}"])
            if code != 0:
                check(args, report, name, False, f"exit code {code}\n{output}")
                continue
            found = weight_hashes(folder)
            if reference is None:
                reference = found
                check(args, report, name, len(found) > 0, "it wrote no weights", seconds=round(seconds, 1))
            else:
                other = sorted(k for k in reference if found.get(k) != reference[k])
                check(args, report, name + ": the same weights", not other, f"other bytes: {', '.join(other)}")


def run_benches(args, report, gpus):
    out = os.path.join(args.out, ".bench.json")
    for name, kind, options in BENCHES:
        if args.quick and name != "collectives" and "dcgan" not in name:
            continue
        options = [os.path.join(args.configs, o) if o.endswith(".yaml") else o for o in options]
        for ranks in sorted({1, gpus}):
            if kind == "collectives" and ranks == 1:  # nothing is sent
                continue
            if not time_for(args, report, f"bench {name} at {ranks} ranks", 20):
                continue
            with Memory() as memory:
                code, output, _ = run(args, [*mpi(args, ranks), args.binary, "bench", kind, *options, "--device", "cuda", "--json", out])
            if code != 0:
                check(args, report, f"bench {name} at {ranks} ranks", False, f"exit code {code}\n{output}")
                continue
            with open(out) as file:
                report["benches"].append({"name": name, "ranks": ranks, "gpu_memory_mib": memory.most, "result": json.load(file)})
            os.remove(out)
            save(args, report)


def summary(report):
    lines = [f"ddls_dist {report['info']['version']} ({report['info']['git_commit']}), torch {report['info']['torch']}, "
             f"NCCL {report['info']['nccl']}, {report['info']['mpi']}"]
    lines += [f"  GPU {i}: {name}" for i, name in enumerate(report["info"]["devices"])]
    lines.append(f"  driver {', '.join(sorted(set(report['driver']))) or 'unknown'}")
    lines.append("")
    for c in report["checks"]:
        lines.append(f"{'ok     ' if c['passed'] else 'FAILED '} {c['name']}" + (f"  ({c['seconds']} s)" if "seconds" in c else ""))
        if not c["passed"]:
            lines += ["        | " + line for line in c.get("why", "").strip().splitlines()[-15:]]
    lines += [f"left out {name}" for name in report["left_out"]]
    lines.append("")
    for p in report.get("profiles", []):
        kinds = sorted(p["profile"]["kinds"], key=lambda kind: -kind["share"])[:6]
        lines.append(f"profile in {p['precision']}: {1e3 * p['profile']['seconds_per_step']:.2f} ms a step; "
                     + ", ".join(f"{kind['kind']} {kind['pass']} {100 * kind['share']:.0f} %" for kind in kinds))
    for b in report["benches"]:
        r = b["result"]
        rate = r.get("images_per_second") or r.get("chain_steps_per_second")
        memory = f", {b['gpu_memory_mib']} MiB on the fullest GPU" if b["gpu_memory_mib"] else ""
        if rate:
            unit = "images/s" if "images_per_second" in r else "chain steps/s"
            share = f", {100 * r['fraction_of_peak']:.0f} % of the product rate" if "fraction_of_peak" in r else ""
            lines.append(f"{b['name']:<24} {b['ranks']:>3} ranks  {rate['median']:>12.1f} {unit} ({rate['min']:.1f} to {rate['max']:.1f}){share}{memory}")
        else:
            lines.append(f"{b['name']:<24} {b['ranks']:>3} ranks  transport {r['transport']}{memory}")
            lines += [f"    {row['bytes']:>10} bytes {row['microseconds']:>10.1f} us  algbw {row['algbw']:>8.2f}  busbw {row['busbw']:>8.2f} GB/s"
                      for row in r["all_reduce"]]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--binary", "--mpirun", "--tests", "--configs"):
        parser.add_argument(name, required=True)
    parser.add_argument("--out", default=os.path.join("runs", "gpu_check"))
    parser.add_argument("--quick", action="store_true", help="one bench of each kind")
    parser.add_argument("--profile-block", type=int, default=512, help="chains of a profiled step")
    parser.add_argument("--budget", type=float, default=3600, help="seconds for everything; what does not fit is left out, and said")
    args = parser.parse_args()
    args.deadline = time.monotonic() + args.budget
    os.makedirs(args.out, exist_ok=True)
    args.first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]

    info_file = os.path.join(args.out, ".info.json")
    # Under mpirun too: in an allocation of several tasks the program alone refuses to be one rank.
    code, output, _ = run(args, [*mpi(args, 1), args.binary, "info", "--json", info_file])
    if code != 0:
        sys.exit(f"gpu_check: '{args.binary} info' fails ({code}):\n{output}")
    with open(info_file) as file:
        info = json.load(file)
    os.remove(info_file)
    gpus = len(info["devices"])
    if gpus == 0:
        why = [line.split(None, 2)[2] for line in output.splitlines() if line.startswith("no GPU")]
        print(f"gpu_check: no GPU can be used here: {why[0] if why else 'none is visible'}. Nothing was checked.", file=sys.stderr)
        return NO_GPU
    if not info["cuda"]:
        print("gpu_check: this program was built without CUDA, so without NCCL: launch/setup.sh --cuda on. Nothing was checked.", file=sys.stderr)
        return NO_GPU

    # In the mode EXCLUSIVE_PROCESS a second rank on a GPU is refused by the driver.
    shared = not any("exclusive" in mode.lower() for mode in smi("compute_mode"))
    report = {"schema": 1, "info": info, "driver": smi("driver_version"), "gpus_can_be_shared": shared, "checks": [], "left_out": [], "profiles": [], "benches": []}
    run_tests(args, report, gpus)
    run_unit_tests(args, report)
    for kind in SMALL:
        run_small(args, report, gpus, kind)
    run_training(args, report)
    run_profiles(args, report)
    run_benches(args, report, gpus)
    report["passed"] = all(c["passed"] for c in report["checks"])
    save(args, report)
    text = summary(report)
    print("\n" + text + f"\n{args.out}/gpu_check.json")
    return 0 if report["passed"] else FAILED


if __name__ == "__main__":
    sys.exit(main())
