#!/usr/bin/env bash
# Training, a sampling array and evaluation as jobs that wait for each other.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'USAGE'
usage: launch/slurm/submit.sh CONFIG [--shards N] [options of sbatch] [-- options of ddls_dist]

Submits train.sbatch, sample.sbatch as an array of N tasks (default 4) and evaluate.sbatch, each waiting for the one before
it, and prints the three job numbers. All get the same options of sbatch, for example --gpus-per-node=4 --ntasks=4.
USAGE
}

config='' shards=4 batch=() program=()
while (($# > 0)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --shards)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "submit.sh: --shards needs a number" >&2; exit 64; }
      shards=$2
      shift ;;
    --) shift; program=("$@"); break ;;
    *) if [[ -z $config && $1 != -* ]]; then config=$1; else batch+=("$1"); fi ;;
  esac
  shift
done
[[ -n $config ]] || { usage >&2; exit 64; }
[[ -r $config ]] || { echo "submit.sh: there is no configuration '$config' (relative to $PWD)" >&2; exit 66; }

submit() { sbatch --parsable --kill-on-invalid-dep=yes "${batch[@]}" "$@" "$config" "${program[@]}" | cut -d ';' -f 1; }
train=$(submit "$here/train.sbatch")
sample=$(submit --dependency="afterok:$train" --array="0-$((shards - 1))" "$here/sample.sbatch")
evaluate=$(submit --dependency="afterok:$sample" "$here/evaluate.sbatch")
echo "$train $sample $evaluate"
