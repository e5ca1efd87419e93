#!/usr/bin/env python3
"""Images per second through a feature extractor: ddls_dist evaluate against plain PyTorch, same file, same images, same
cores, in turn.

  torch_evaluation.py BINARY EXTRACTOR.pt FOLDER [--count 256] [--rounds 3] [--batch 32] [--ranks 1 2]

Plain PyTorch: a DataLoader-free loop over PIL-decoded batches under inference_mode, one thread per process.
Needs torch, numpy and pillow.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def output_of(command, **options):
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stderr}")
    return done


def images_below(folder):
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names
                  if name.lower().endswith((".png", ".jpg", ".jpeg")))


def plain(extractor, files, batch):
    """One process, one thread: what a script does."""
    program = """
import sys, time, numpy, torch
from PIL import Image
torch.set_num_threads(1)
extractor, batch, files = sys.argv[1], int(sys.argv[2]), sys.stdin.read().splitlines()
model = torch.jit.load(extractor).eval()
def pass_over(files):
    with torch.inference_mode():
        for at in range(0, len(files), batch):
            images = numpy.stack([numpy.asarray(Image.open(f).convert('RGB')) for f in files[at:at + batch]])
            model(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
pass_over(files[:2 * batch])  # TorchScript optimises in its first two calls
start = time.perf_counter()
pass_over(files)
print(len(files) / (time.perf_counter() - start))
"""
    return float(output_of([sys.executable, "-c", program, extractor, str(batch)], input="\n".join(files)).stdout)


def ours(binary, extractor, folder, batch, ranks):
    done = output_of(["mpirun", "-q", "--bind-to", "core" if ranks <= os.cpu_count() else "none", "-np", str(ranks), binary,
                      "evaluate", "--fake", folder, "--real", folder, "--extractor", extractor, "--metrics", "fid",
                      "--device", "cpu", "--set", f"evaluate.batch={batch}"])
    return statistics.mean(float(rate) for rate in re.findall(r"([0-9.]+) images/s", done.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("extractor")
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()

    rates = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = []
        for i, file in enumerate(images_below(arguments.folder)[:arguments.count]):
            files.append(shutil.copy(file, os.path.join(scratch, f"{i:06d}{os.path.splitext(file)[1]}")))
        for _ in range(arguments.rounds):  # in turn, so that other load on the machine meets all alike
            rates.setdefault("plain PyTorch", []).append(plain(arguments.extractor, files, arguments.batch))
            for ranks in arguments.ranks:
                rates.setdefault(f"ddls_dist, {ranks} rank(s)", []).append(
                    ours(arguments.binary, arguments.extractor, scratch, arguments.batch, ranks))
    baseline = statistics.median(rates["plain PyTorch"])
    print(json.dumps({"extractor": os.path.basename(arguments.extractor), "images": len(files), "batch": arguments.batch,
                      "images_per_second": {name: {"median": statistics.median(r), "min": min(r), "max": max(r),
                                                   "ratio": statistics.median(r) / baseline}
                                            for name, r in rates.items()}}, indent=1))


main()
