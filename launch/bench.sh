#!/usr/bin/env bash
# Ours beside PyTorch in turn, on the same cores: launch/bench.sh training|sampler [options of launch/bench.py]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} != training && ${1:-} != sampler ]]; then
  echo 'usage: launch/bench.sh training [--models sn_dcgan sn_resnet] [--ranks 1 2] [--rounds N] [--precision bfloat16] [--json FILE]' >&2
  echo '       launch/bench.sh sampler [--models sn_resnet sn_dcgan biggan mlp] [--rounds N] [--steps N] [--precision bfloat16] [--json FILE]' >&2
  exit $exit_usage
fi
[[ -x $binary ]] || die $exit_missing "there is no $binary yet; run launch/setup.sh"
DDLS_WHEEL_DIR=${DDLS_WHEEL_DIR:-$deps_dir/python} exec python3 "$ddls_root/launch/bench.py" "$@"
