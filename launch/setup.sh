#!/usr/bin/env bash
# Everything between a fresh Debian 12 or Ubuntu machine and build/ddls_dist. A second run takes seconds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/setup.sh [options]

  --data NAME     also get a data set; NAME: fashion-mnist
  --tests         also the packages that only tests need (Slurm, patchelf, Chromium); tests whose packages cannot be had are skipped
  --program-only  build the program without its tests
  --no-build      stop before the compiler: packages and LibTorch only
  --no-packages   do not look at system packages (a machine set up in another way); later calls for the same build remember it
  --packages      look at them again
  --cuda WHEN     CUDA parts: auto (where LibTorch has CUDA), on, off; default: as this build was made, at first auto
  --prefix DIR    install into DIR afterwards (the installed program goes on using LibTorch where it lies)
  --help

DDLS_DEPS=DIR keeps LibTorch in DIR instead of .deps, so that several checkouts can share it.
USAGE
}

data='' target=all build=yes packages='' tests=no cuda='' prefix=''
while (($# > 0)); do
  case $1 in
    --data | --cuda | --prefix)
      (($# > 1)) || die $exit_usage "$1 needs a value; see --help"
      case $1 in
        --data) data=$2 ;;
        --cuda) cuda=${2^^} ;;
        --prefix) prefix=$(realpath -m -- "$2") ;;
      esac
      shift 2 ;;
    --tests) tests=yes; shift ;;
    --program-only) target=ddls_program; shift ;;
    --no-build) build=no; shift ;;
    --no-packages) packages=no; shift ;;
    --packages) packages=yes; shift ;;
    --help | -h) usage; exit 0 ;;
    *) die $exit_usage "unknown option '$1'; see --help" ;;
  esac
done
[[ $data == '' || $data == fashion-mnist ]] || die $exit_usage "--data $data: the data set that can be fetched is fashion-mnist"
# What an earlier call was told holds for launch/run.sh and launch/test.sh too, which pass no options on.
if [[ -z $packages ]]; then packages=$(cat "$build_dir/.setup-packages" 2>/dev/null || echo yes); fi
if [[ -z $cuda ]]; then
  cuda=$(sed -n 's/^DDLS_CUDA:[A-Z]*=//p' "$build_dir/CMakeCache.txt" 2>/dev/null || true)
  cuda=${cuda:-AUTO}
fi
[[ $cuda =~ ^(AUTO|ON|OFF)$ ]] || die $exit_usage "--cuda takes auto, on or off"
[[ $prefix == '' || $build == yes ]] || die $exit_usage "--prefix needs the build that --no-build leaves out"

readonly system_packages=(
  g++ cmake ninja-build git ccache pkg-config python3 python3-pip      # tools
  libopenmpi-dev openmpi-bin                                           # MPI
  libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev
  libtcmalloc-minimal4                                                  # allocator
  libzip-dev libpng-dev libjpeg-dev zlib1g-dev                         # npz and image files
  libxxhash-dev libssl-dev                                             # checksums
  libcairo2-dev fonts-dejavu-core                                      # figures of the report
  libgtest-dev                                                         # tests
)
# What single tests need, each line on its own: a cluster of two nodes on this machine (e2e_slurm), the tool of launch/pack.sh (e2e_pack),
# a browser (e2e_report_browser).
readonly test_packages=("slurmctld slurmd slurm-client munge" "patchelf" "chromium")

install_missing_packages() {
  local missing=() package as_root=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die $exit_config "this system has no apt. Install what corresponds to these Debian packages, then use --no-packages: $*"
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "      all $# are installed"
    return
  fi
  if ((EUID != 0)); then
    as_root=(sudo)
    # Without a terminal sudo cannot ask for a password.
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }; }; then
      die $exit_config "packages are missing, and there is neither root nor sudo here. Ask an administrator for this, then start again:
  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    fi
  fi
  say "      installing ${#missing[@]}: ${missing[*]}"
  run_logged apt-update "${as_root[@]}" apt-get update ||
    say "      the package lists are not fresh; trying with those that are there"
  run_logged apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" ||
    die $exit_runtime "apt-get could not install the packages"
  packages_changed=yes
}

step_packages() {
  install_missing_packages "${system_packages[@]}" ${data:+dataset-$data}
}

# Some tests can do without: what is missing then is said, here and by the test.
step_test_packages() {
  local packages
  for packages in "${test_packages[@]}"; do
    # shellcheck disable=SC2086  # several in a line
    (install_missing_packages $packages) || say "      going on without $packages: the tests that need it will be skipped"
  done
}

has_torch() {
  [[ -e $1/torch/lib/libtorch.so ]] && grep -q "^__version__ = '${torch_version}[+']" "$1/torch/version.py"
}

# The folder gets its name only when pip has finished, so its presence means that it is complete.
step_libtorch() {
  local wheel_dir=$deps_dir/python partial=$deps_dir/python.partial python=python3 free_gb
  if has_torch "$wheel_dir"; then
    say "      LibTorch $torch_version is in $wheel_dir"
    return
  fi
  mkdir -p "$deps_dir"
  exec {lock}>"$deps_dir/lock"
  if ! flock -n "$lock"; then
    say "      another set-up is filling $deps_dir; waiting for it"
    flock "$lock"
    if has_torch "$wheel_dir"; then return; fi
  fi
  free_gb=$(df -Pk "$deps_dir" | awk 'NR == 2 {print int($4 / 1048576)}')
  say "      getting the wheel torch==$torch_version (about 2.5 GB; needs 8 GB meanwhile and 5 GB then; $free_gb GB are free)"
  ((free_gb >= 8)) || die $exit_runtime "only $free_gb GB are free in $deps_dir: make room, or name another place with DDLS_DEPS"
  python3 -m pip --version >/dev/null 2>&1 || python=/usr/bin/python3   # another Python may stand before Debian's
  rm -rf "$partial" "$deps_dir/tmp"
  mkdir -p "$deps_dir/tmp"
  # pip unpacks in TMPDIR and renames from there: the same file system saves a copy of 5 GB.
  run_logged pip env TMPDIR="$deps_dir/tmp" PIP_ROOT_USER_ACTION=ignore "$python" -m pip install \
    --target "$partial" --no-compile --only-binary :all: --no-cache-dir --no-input --disable-pip-version-check \
    --progress-bar off "torch==$torch_version" || die $exit_runtime "pip could not get the wheel torch==$torch_version"
  rm -rf "$wheel_dir" "$deps_dir/tmp"
  mv "$partial" "$wheel_dir"
  has_torch "$wheel_dir" || die $exit_runtime "$wheel_dir holds no LibTorch $torch_version although pip reported success"
  flock -u "$lock"
}

step_data() {
  local source=/usr/share/datasets/$data target=$ddls_root/data/$data file
  mkdir -p "$target"
  for file in {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz; do
    [[ -e $source/$file ]] || die $exit_missing "$source/$file is not there: is the package dataset-$data complete?"
    ln -sfn "$source/$file" "$target/$file"
  done
  say "      $target (links to $source)"
}

# Ninja runs CMake again by itself when a CMake file changes; here only what Ninja does not see.
step_configure() {
  local key home
  key="$deps_dir/python $cuda $(sha256sum <"$ddls_root/CMakePresets.json")"
  if [[ -e $build_dir/build.ninja && $packages_changed == no && $(cat "$build_dir/.setup-key" 2>/dev/null) == "$key" ]]; then
    say "      nothing to do"
    return
  fi
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build_dir/CMakeCache.txt" 2>/dev/null || true)
  if [[ -n $home && $home != "$ddls_root" ]]; then
    say "      $build_dir was made for $home; starting it afresh"
    rm -rf "$build_dir/CMakeCache.txt" "$build_dir/CMakeFiles"
  fi
  cd "$ddls_root"
  run_logged cmake cmake --preset release -DDDLS_WHEEL_DIR="$deps_dir/python" -DDDLS_CUDA="$cuda" ||
    die $exit_config "CMake could not configure the build"
  grep -E '^-- (LibTorch|CUDA)' "$log_dir/cmake.log" | sed 's/^--/     /'
  printf '%s\n' "$key" >"$build_dir/.setup-key"
}

# The heaviest sources take about 1.5 GB of compiler memory each.
step_build() {
  local jobs
  jobs=$(usable_by_memory "$(usable_cores)" 1500)
  run_logged build cmake --build "$build_dir" --target "$target" -j "$jobs" || die $exit_runtime "the build failed"
  touch "$build_dir/.setup-complete"   # run.sh compares the sources with it
}

step_install() {
  run_logged install cmake --install "$build_dir" --prefix "$prefix" || die $exit_runtime "installing into $prefix failed"
  say "      $prefix/bin/ddls_dist, which uses LibTorch in $deps_dir/python"
}

packages_changed=no
mkdir -p "$build_dir"
echo "$packages" >"$build_dir/.setup-packages"
steps=()
if [[ $packages == yes ]]; then steps+=("packages: system packages"); fi
if [[ $packages == yes && $tests == yes ]]; then steps+=("test_packages: packages of tests"); fi
steps+=("libtorch: LibTorch")
if [[ -n $data ]]; then steps+=("data: data set $data"); fi
if [[ $build == yes ]]; then steps+=("configure: configure" "build: build"); fi
if [[ -n $prefix ]]; then steps+=("install: install"); fi

for index in "${!steps[@]}"; do
  say "[$((index + 1))/${#steps[@]}, after $SECONDS s] ${steps[index]#*: }"
  "step_${steps[index]%%:*}"
done
say "set up after $SECONDS s"
