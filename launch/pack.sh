#!/usr/bin/env bash
# A folder that runs on another Linux machine: the program, Open MPI and every library that is neither LibTorch's, NVIDIA's nor
# the C library's.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/pack.sh [FOLDER] [--tests] [--tar]

Fills FOLDER (which must not exist; default: ddls_dist-VERSION-linux-x86_64) with what runs on any x86-64 Linux whose C
library is not older than this machine's and whose Python has the same torch:
  FOLDER/ddls_dist             the program; finds LibTorch by DDLS_TORCH=FOLDER-OF-TORCH, or asks python3
  FOLDER/mpirun                Open MPI (shared memory and TCP; for another MPI see FOLDER/README)
  FOLDER/launch, configs       scripts and recipes
  --tests                      also the test programs that launch/gpu_check.sh runs
  FOLDER/licences              of everything in it; FOLDER/SHA256SUMS checksums all files
  --tar                        also FOLDER.tar.gz and FOLDER.tar.gz.sha256
Needs patchelf (Debian: apt-get install patchelf) and a build (launch/setup.sh).
USAGE
}

folder='' tests=no archive=no
while (($# > 0)); do
  case $1 in
    --tests) tests=yes ;;
    --tar) archive=yes ;;
    --help | -h) usage; exit 0 ;;
    -*) die $exit_usage "unknown option '$1'; see --help" ;;
    *) [[ -z $folder ]] || die $exit_usage "one folder, please; see --help"; folder=$1 ;;
  esac
  shift
done
binary=${DDLS_BINARY:-$binary}
[[ -x $binary ]] || die $exit_missing "there is no $binary yet; run launch/setup.sh"
if [[ -z $folder ]]; then
  version=$("$binary" --version | sed -n 's/^ddls_dist \([0-9][0-9.]*\).*/\1/p')
  folder=ddls_dist-$version-linux-$(uname -m)
fi
[[ ! -e $folder ]] || die $exit_usage "$folder is there already; name a new one"
for tool in patchelf ompi_info ldd; do
  command -v "$tool" >/dev/null || die $exit_missing "there is no $tool (Debian: apt-get install patchelf openmpi-bin)"
done
launcher=$(realpath "$(command -v mpirun)")
daemon=$(realpath "$(command -v orted)")
plugins=$(ompi_info --path pkglibdir --parsable | sed -n 's/^path:pkglibdir://p')
help_texts=$(ompi_info --path pkgdatadir --parsable | sed -n 's/^path:pkgdatadir://p')
[[ -d $plugins && -d $help_texts ]] || die $exit_missing "the plugins of Open MPI are not where ompi_info says: '$plugins', '$help_texts'"

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
trap 'rm -rf "$folder"' ERR
mkdir -p "$folder"/{bin,lib/openmpi,lib/pmix,lib/gcc,share/openmpi,share/fonts,etc}

say "[1/4] programs and plugins"
cp "$binary" "$folder/bin/ddls_dist"
cp "$launcher" "$folder/bin/mpirun"
cp "$daemon" "$folder/bin/orted"
if [[ $tests == yes ]]; then
  for program in mpi_communicator mpi_gradient_reducer mpi_gpu; do
    file=$build_dir/tests/mpi/$program
    [[ -x $file ]] || file=$build_dir/tests/gpu/$program
    [[ -x $file ]] || die $exit_missing "there is no test program $program; run launch/setup.sh without --program-only"
    mkdir -p "$folder/tests"
    cp "$file" "$folder/bin/$program"
    cp "$ddls_root/launch/pack/test" "$folder/tests/$program"
  done
fi
# Without what needs a vendor's network libraries, and without OpenSHMEM: NCCL carries what is large on GPUs.
for plugin in "$plugins"/*.so; do
  [[ $(basename "$plugin") =~ (ucx|ofi|openib|psm|usnic|monitoring|_atomic_|memheap|scoll|spml|sshmem|flux|dbg_msgq) ]] || cp "$plugin" "$folder/lib/openmpi/"
done
cp -r "$help_texts/." "$folder/share/openmpi/"

# libraries_of FILE...: paths of all that these load and that travel with us.
libraries_of() {
  ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | while read -r library; do
    case $(basename "$library") in
      ld-linux* | libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libutil.so.* | libresolv.so.* | libnsl.so.* | libanl.so.*) ;;
      libcuda.so.* | libnvidia-*) ;;
      *) case $(realpath "$library") in
           "$(realpath "$deps_dir/python")"/* | */site-packages/* | */cuda*/*) ;;   # LibTorch and NVIDIA's
           *) echo "$library" ;;
         esac ;;
    esac
  done
}

say "[2/4] libraries"
mapfile -t needed < <(libraries_of "$folder"/bin/* "$folder"/lib/openmpi/*.so)
pmix_plugins=''
for library in "${needed[@]}"; do
  if [[ $(basename "$library") == libpmix.so.* ]]; then pmix_plugins=$(dirname "$(realpath "$library")")/pmix; fi
done
if [[ -n $pmix_plugins && ! -d $pmix_plugins ]]; then pmix_plugins=$(find /usr/lib* -type d -path '*pmix*/lib/pmix' -print -quit 2>/dev/null || true); fi
if [[ -d $pmix_plugins ]]; then
  cp "$pmix_plugins"/*.so "$folder/lib/pmix/"
  mapfile -t needed < <({ printf '%s\n' "${needed[@]}"; libraries_of "$folder"/lib/pmix/*.so; } | sort -u)
fi
for library in "${needed[@]}"; do
  case $(basename "$library") in
    libstdc++.so.* | libgcc_s.so.*) cp -L "$library" "$folder/lib/gcc/" ;;   # used only where the machine's are older
    *) cp -L "$library" "$folder/lib/" ;;
  esac
done

# What the distribution says of the packages that these came from, as licences/PACKAGE. A package may name a file by another path.
readonly font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
packed=("$launcher" "$daemon" "${needed[@]}")
for file in /usr/include/nlohmann/json.hpp /usr/include/CLI/CLI.hpp "$font"; do
  if [[ -e $file ]]; then packed+=("$file"); fi
done
declare -A package_of
while IFS=: read -r package rest; do package_of[${rest##* }]=$package; done < <(
  for file in "${packed[@]}"; do
    real=$(realpath "$file")
    printf '%s\n' "$file" "$real" "${real#/usr}"
  done | sort -u | xargs dpkg-query -S 2>/dev/null || true)
mkdir -p "$folder/licences"
for file in "${packed[@]}"; do
  real=$(realpath "$file")
  package=${package_of[$real]:-${package_of[$file]:-${package_of[${real#/usr}]:-}}}
  if [[ -n $package && -e /usr/share/doc/$package/copyright ]]; then
    cp -L "/usr/share/doc/$package/copyright" "$folder/licences/$package"
  else
    say "      no licence text of $(basename "$file") is on this machine: put it into licences/ before you pass the folder on" >&2
  fi
done

say "[3/4] places"
# Each file looks beside itself first; LibTorch comes from the environment. Nothing of this machine's paths is left.
for file in "$folder"/bin/*; do patchelf --set-rpath "\$ORIGIN/../lib" "$file"; done
for file in "$folder"/lib/*.so*; do patchelf --set-rpath "\$ORIGIN" "$file"; done
for file in "$folder"/lib/openmpi/*.so "$folder"/lib/pmix/*.so; do
  if [[ -e $file ]]; then patchelf --set-rpath "\$ORIGIN/.." "$file"; fi
done

say "[4/4] scripts, recipes, fonts"
cp "$ddls_root"/launch/pack/{environment.sh,ddls_dist,mpirun,README} "$folder/"
newest_cxx=$(cat "$folder"/bin/* "$folder"/lib/*.so* | grep -ao 'GLIBCXX_3\.4\.[0-9]*' | sort -uV | tail -1)
sed -i "s/@TORCH@/$torch_version/; s/@GLIBCXX@/$newest_cxx/" "$folder/environment.sh"
mkdir -p "$folder/launch"
cp -r "$ddls_root"/launch/{lib.sh,gpu_check.sh,gpu_check.py,gpu_left_out.txt,scaling.sh,scaling.py,scaling_model.py,slurm} "$folder/launch/"
cp -r "$ddls_root/configs" "$ddls_root/LICENSE" "$folder/"
find /usr/share/fonts/truetype/dejavu -name 'DejaVuSans*.ttf' -exec cp {} "$folder/share/fonts/" \; 2>/dev/null || true
cat >"$folder/etc/fonts.conf" <<'XML'
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">../share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
XML
(cd "$folder" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
if [[ $archive == yes ]]; then
  tar -C "$(dirname "$folder")" -czf "$folder.tar.gz" "$(basename "$folder")"
  (cd "$(dirname "$folder")" && sha256sum "$(basename "$folder").tar.gz" >"$(basename "$folder").tar.gz.sha256")
fi
trap - ERR
say "packed: $folder ($(du -sm "$folder" | cut -f 1) MB, $(find "$folder/lib" -name '*.so*' | wc -l) libraries and plugins)"
