# launch/gpu_check.py on fake GPUs: bash FILE BINARY FOLDER-OF-TEST-PROGRAMS SCRATCH-FOLDER. What it runs, it runs as on a GPU; in its
# budget come the tests and the first small runs. A fake GPU has no training in bfloat16, and its speed is none.
set -euo pipefail
binary=$1 programs=$2 scratch=$3 root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$scratch"
mkdir -p "$scratch/tests"
ln -s "$programs/mpi_gpu_fake_gpu" "$scratch/tests/mpi_gpu"
ln -s "$programs/unit_models_fake_gpu" "$scratch/tests/unit_models"
rc=0
DDLS_FAKE_GPUS=1 python3 "$root/launch/gpu_check.py" --binary "$binary" --mpirun mpirun --tests "$scratch/tests" --configs "$root/configs" \
  --out "$scratch/out" --quick --budget "${4:-70}" >"$scratch/log" 2>&1 || rc=$?
python3 - "$scratch/out/gpu_check.json" "$rc" <<'PY' || { cat "$scratch/log"; exit 1; }
import json, sys
report = json.load(open(sys.argv[1]))
checks = {check["name"]: check for check in report["checks"]}
failed = [name for name, check in checks.items() if not check["passed"] and "bfloat16" not in name]
assert not failed, failed
for name in ("tests: 1 rank", "tests: 2 ranks on one GPU, through host memory", "tests: unit_models on the GPU"):
    assert checks.get(name, {}).get("passed"), (name, list(checks))
assert report["left_out"] and any("unit_ddls, which is not in" in name for name in report["left_out"]), report["left_out"]
print(f"{len(checks)} checks, {len(report['left_out'])} left out, exit code {sys.argv[2]}")
PY
