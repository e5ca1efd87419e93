#!/usr/bin/env bash
# Ours beside PyTorch in turn, on the same cores: bench/compare.sh training|sampler [options of bench/compare.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../launch/lib.sh"

if [[ ${1:-} != training && ${1:-} != sampler ]]; then
  echo 'usage: bench/compare.sh training [--models sn_dcgan sn_resnet] [--ranks 1 2] [--rounds N] [--precision bfloat16] [--json FILE]' >&2
  echo '       bench/compare.sh sampler [--models sn_resnet sn_dcgan biggan mlp] [--rounds N] [--steps N] [--precision bfloat16] [--json FILE]' >&2
  exit $exit_usage
fi
[[ -x $binary ]] || die $exit_missing "there is no $binary yet; run launch/setup.sh"
DDLS_WHEEL_DIR=${DDLS_WHEEL_DIR:-$deps_dir/python} exec python3 "$ddls_root/bench/compare.py" "$@"
