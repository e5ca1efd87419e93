#!/usr/bin/env bash
# same_weights.sh PROGRAM MPIEXEC: the same output at 1, 2 and 3 ranks, and a loss that fell.
set -euo pipefail
one=$("$2" -np 1 "$1")
grep -q '^weights [0-9a-f]\{16\}$' <<<"$one"
awk '$1 == "step" {if (first == "") first = $4; last = $4} END {exit !(last < first / 2)}' <<<"$one" || { echo "the loss did not fall: $one"; exit 1; }
for ranks in 2 3; do
  other=$("$2" -np "$ranks" "$1")
  [[ $other == "$one" ]] || { printf 'np 1:\n%s\nnp %s:\n%s\n' "$one" "$ranks" "$other"; exit 1; }
done
