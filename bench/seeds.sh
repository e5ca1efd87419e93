#!/usr/bin/env bash
# One configuration over several seeds, and a table of mean +- sd: bench/seeds.sh CONFIG "1 2 3 4 5" [options of run.sh]
# Each seed is a run of its own in runs/NAME-seeds/SEED; seeds that are done are not done again.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../launch/lib.sh"

if [[ $# -lt 2 || $1 == -* ]]; then
  echo 'usage: bench/seeds.sh CONFIG "SEED ..." [options of launch/run.sh]' >&2
  exit $exit_usage
fi
config=$1 seeds=$2
shift 2
name=$(basename "${config%.yaml}")
reports=()
for seed in $seeds; do
  out=runs/$name-seeds/$seed
  "$ddls_root/launch/run.sh" "$config" "$@" --seed "$seed" --out "$out" >&2
  reports+=("$out/report.json")
done
python3 "$ddls_root/bench/seed_table.py" "${reports[@]}"
