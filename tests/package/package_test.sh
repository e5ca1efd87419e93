# package_test.sh CMAKE BUILD EXAMPLES SCRATCH MPIRUN
set -euo pipefail
cmake=$1 build=$2 examples=$3 scratch=$4 mpirun=$5
fail() { echo "FAILED: $*" >&2; exit 1; }
rm -rf "$scratch"
mkdir -p "$scratch/outside"
"$cmake" --install "$build" --component package --prefix "$scratch/installed" >"$scratch/install.log"
cp "$examples/data_parallel.cpp" "$examples/same_weights.sh" "$scratch/outside"
cp "$examples/outside/CMakeLists.txt" "$scratch/outside"
! grep -rlF "$build" "$scratch/installed/lib/cmake" || fail "the package names its build folder"
"$cmake" -S "$scratch/outside" -B "$scratch/outside/build" -DCMAKE_PREFIX_PATH="$scratch/installed" >"$scratch/configure.log" 2>&1 ||
  { cat "$scratch/configure.log" >&2; fail "find_package(ddls_dist)"; }
"$cmake" --build "$scratch/outside/build" >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log" >&2; fail "the build of a program outside"; }
bash "$scratch/outside/same_weights.sh" "$scratch/outside/build/data_parallel" "$mpirun"
