#!/usr/bin/env bash
# Set-up, then all tests: launch/test.sh [options of ctest], for example launch/test.sh -L unit, or -R layers
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ddls_root/launch/setup.sh" --tests
# Each rank of an MPI test counts as one job (PROCESSORS), and takes up to 1 GB.
jobs=$(usable_by_memory "$(usable_cores)" 1000)
exec ctest --test-dir "$build_dir" --output-on-failure --no-tests=error -j "$jobs" "$@"
