#!/usr/bin/env bash
# The scaling study: launch/scaling.sh CONFIG [--ranks "1 2 4"] [options of launch/scaling.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/scaling.sh CONFIG [--ranks "1 2 4 8"] [--only training,sampling,evaluation] [--steps N] [--rounds N]
                         [--rank-batch N] [--set KEY=VALUE]... [--out FOLDER]

Weak and strong scaling of training, sampling and evaluation of CONFIG over the rank counts (default: 1, 2, 4, ... as far as
the GPUs or cores go), on this machine or inside an allocation. Writes FOLDER (default: runs/scaling) with scaling.json,
scaling.csv, scaling.svg, and model.json, the alpha-beta model of launch/scaling_model.py with what it says of 8, 64 and 512.

Work: --rank-batch images (chains) per rank in weak scaling, and that times the largest rank count, divided, in strong.
Rounds of all rank counts take turns, so that a slow spell of the machine falls on all.
DDLS_MPI_COMMAND replaces "mpirun --bind-to none" (the scripts of launch/slurm set it).
USAGE
}
case ${1:---help} in --help | -h) usage; exit 0 ;; esac

if [[ -x $ddls_root/ddls_dist ]]; then   # a packed folder
  binary=$ddls_root/ddls_dist mpirun=$ddls_root/mpirun
else
  mpirun=mpirun
fi
binary=${DDLS_BINARY:-$binary}
[[ -x $binary ]] || die $exit_missing "there is no $binary yet; run launch/setup.sh"
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
forward_variables
exec python3 "$ddls_root/launch/scaling.py" --binary "$binary" \
  --mpi "${DDLS_MPI_COMMAND:-$(printf '%q ' "$mpirun" --bind-to none "${forwarded[@]}")}" \
  --cores "$(usable_physical_cores)" "$@"
