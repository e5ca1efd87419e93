#!/usr/bin/env bash
# The reproduction report: runs what bench/reproduction/parts.py declares and writes a page of it. launch/reproduce.sh --help
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

needs_nothing=false program='' ranks='' parts_data=''
for ((i = 1; i <= $#; ++i)); do
  case ${!i} in
    --help | -h | --document-only) needs_nothing=true ;;
    --program) program=given ;;
    --data) parts_data=given ;;
    -np) ranks=given ;;
  esac
done
options=("$@")
if ! $needs_nothing; then
  if [[ -z $program ]]; then "$ddls_root/launch/setup.sh" --program-only; fi
  if [[ -z $parts_data && -z ${DDLS_DATA:-} && ! -e $ddls_root/data/fashion-mnist/train-images-idx3-ubyte.gz ]]; then
    "$ddls_root/launch/setup.sh" --no-build --data fashion-mnist || say "without Fashion-MNIST its parts are left out" >&2
  fi
  if [[ -z $ranks ]]; then options+=(-np "$(usable_by_memory "$(usable_physical_cores)" 1500)"); fi
fi
exec python3 "$ddls_root/bench/reproduction" "${options[@]}"
