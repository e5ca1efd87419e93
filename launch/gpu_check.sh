#!/usr/bin/env bash
# Everything to know about ddls_dist on a GPU machine: launch/gpu_check.sh [--out FOLDER] [--quick] [--budget SECONDS]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/gpu_check.sh [--out FOLDER] [--quick] [--budget SECONDS]

Runs the GPU tests at one rank, at two ranks on one GPU (data then goes through host memory) and at all GPUs (NCCL), the unit
tests of networks, samplers and training on the GPU (in a checkout), compares
the samples of a small run at several rank counts and the weights of repeated training, profiles a step at each precision, and measures training, sampling, evaluation and collectives and the memory
they hold, in this order, until all is done or SECONDS (default 3600) are over; what then is left out is said. Writes FOLDER/gpu_check.json and FOLDER/gpu_check.txt (default FOLDER: runs/gpu_check). Works in a checkout after
launch/setup.sh, and in a folder of launch/pack.sh --tests.

Exit codes: 0 all checks passed; 70 one failed; 78 there is no GPU, or the program was built without CUDA; 66 not built.
USAGE
}
case ${1:-} in --help | -h) usage; exit 0 ;; esac

if [[ -x $ddls_root/ddls_dist ]]; then   # a packed folder
  binary=$ddls_root/ddls_dist mpirun=$ddls_root/mpirun tests=$ddls_root/tests
else
  mpirun=mpirun tests=$build_dir/tests
fi
binary=${DDLS_BINARY:-$binary}
[[ -x $binary ]] || die $exit_missing "there is no $binary yet; run launch/setup.sh"
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
exec python3 "$ddls_root/launch/gpu_check.py" --binary "$binary" --mpirun "$(printf %q "$mpirun")" --tests "$tests" --configs "$ddls_root/configs" "$@"
