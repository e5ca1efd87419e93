#!/usr/bin/env bash
# Fuzzes every parser for SECONDS each, one after the other: tests/fuzz/run.sh SECONDS [BUILD_FOLDER] [TARGET...]
# BUILD_FOLDER (build-fuzz) is made by `cmake --preset fuzz && cmake --build --preset fuzz`. What is learnt stays in
# BUILD_FOLDER/corpus; an input that breaks a parser is kept in BUILD_FOLDER/findings. Exits 1 if there was any.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:?usage: run.sh SECONDS [BUILD_FOLDER] [TARGET...]}
build=${2:-$here/../../build-fuzz}
shift $(($# < 2 ? $# : 2))
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
  for file in "$here"/*_fuzz.cpp; do targets+=("$(basename "$file" _fuzz.cpp)"); done
fi
mkdir -p "$build/findings" "$build/logs"
bad=0
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target"
  words=()
  [[ -f $here/words/$target.dict ]] && words=(-dict="$here/words/$target.dict")
  # A file of 64 KiB is enough to reach every branch, and too small for a decompression bomb that matters.
  if OMP_NUM_THREADS=1 "$build/tests/fuzz/${target}_fuzz" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$target-" "${words[@]}" "$build/corpus/$target" "$here/seeds/$target" \
    >"$build/logs/$target.log" 2>&1; then
    echo "ok       $target: $(grep -oE 'number_of_executed_units: [0-9]+' "$build/logs/$target.log" | grep -oE '[0-9]+$') inputs," \
      "$(grep -oE 'cov: [0-9]+' "$build/logs/$target.log" | tail -1)"
  else
    echo "FINDING  $target: see $build/logs/$target.log"
    tail -25 "$build/logs/$target.log"
    bad=1
  fi
done
exit $bad
