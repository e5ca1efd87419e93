#!/usr/bin/env bash
# clang-format and clang-tidy over src/ and tests/ (Debian: clang-format clang-tidy). Needs a configured build/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/lint.sh [--fix] [--format-only] [FILE...]

Checks the given sources, or all of them; the exit code is 1 if something was found.
  --fix           rewrite files that are not formatted
  --format-only   leave clang-tidy out (one to two minutes of a core for each file that uses Torch)
USAGE
}

format=(--dry-run -Werror) tidy=yes files=()
while (($# > 0)); do
  case $1 in
    --fix) format=(-i) ;;
    --format-only) tidy=no ;;
    --help | -h) usage; exit 0 ;;
    -*) die $exit_usage "unknown option '$1'; see --help" ;;
    *) files+=("$(realpath -- "$1")") ;;
  esac
  shift
done
command -v clang-format >/dev/null || die $exit_missing "there is no clang-format: apt-get install clang-format clang-tidy"
if ((${#files[@]} == 0)); then mapfile -t files < <(find "$ddls_root"/{src,tests} -name '*.[ch]pp' | sort); fi

status=0
clang-format "${format[@]}" "${files[@]}" || status=1
if [[ $tidy == no ]]; then exit "$status"; fi

# GCC's commands for clang: without GCC's own flags, and with the text of the precompiled header instead of its binary
# form, which clang would find beside the text and refuse.
[[ -e $build_dir/compile_commands.json ]] || die $exit_missing "no build/compile_commands.json: run launch/setup.sh first"
pch=$build_dir/CMakeFiles/ddls_pch.dir/cmake_pch.hxx
lint_dir=$build_dir/lint
mkdir -p "$lint_dir"
cp "$pch" "$lint_dir/"
sed -e 's/ -fpch-preprocess\| -Winvalid-pch\| -Werror//g' -e "s|$pch|$lint_dir/cmake_pch.hxx|g" \
  "$build_dir/compile_commands.json" >"$lint_dir/compile_commands.json"

# Only what the build compiles: one of two alternative files may be left out of it.
compiled=$(grep -o '"file": "[^"]*"' "$lint_dir/compile_commands.json")
sources=()
for file in "${files[@]}"; do
  if [[ $file == *.cpp && $compiled == *"\"$file\""* ]]; then sources+=("$file"); fi
done
jobs=$(usable_by_memory "$(usable_cores)" 1500)
printf '%s\0' "${sources[@]}" |
  xargs -0 -r -n 1 -P "$jobs" clang-tidy --quiet --warnings-as-errors='*' -p "$lint_dir" 2>/dev/null || status=1
exit "$status"
