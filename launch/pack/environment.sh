# shellcheck shell=bash
# Sourced by the launchers of a packed folder with `here` set to it: where LibTorch lies, and where Open MPI finds its own.
#   DDLS_TORCH  the folder of the Python package torch, or the one above it (default: what python3 would import)
#   DDLS_MPI    library folder of the Open MPI to use instead of the packed one (with its own mpirun or srun)
needed_torch=@TORCH@ needed_glibcxx=@GLIBCXX@

stop_here() {
  printf 'ddls_dist: %s\n' "$1" >&2
  exit 78
}

torch_of_python() {
  python3 - 2>/dev/null <<'PY'
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec else "")
PY
}

torch=${DDLS_TORCH:-$(torch_of_python || true)}
if [[ -d $torch/torch/lib ]]; then torch=$torch/torch; fi
[[ -e $torch/lib/libtorch.so ]] ||
  stop_here "there is no LibTorch in '${torch:-nowhere}': pip install torch==$needed_torch, or set DDLS_TORCH to the folder of the package torch"
grep -q "^__version__ = '$needed_torch[+']" "$torch/version.py" 2>/dev/null ||
  stop_here "$torch is $(sed -n "s/^__version__ = '\(.*\)'/torch \1/p" "$torch/version.py" 2>/dev/null); this program was built for torch $needed_torch"
export DDLS_TORCH=$torch   # ranks need not ask Python again

places=$torch/lib
for place in "$torch"/../nvidia/nccl/lib "$torch"/../nvidia/cu*/lib "$torch"/../nvidia/cuda_runtime/lib; do
  if [[ -d $place ]]; then places+=:$place; fi
done
# The machine's own C++ library unless it is older than ours: other programs' plugins may need the newer one.
system_cxx=$(ldconfig -p 2>/dev/null | sed -n 's/.*libstdc++\.so\.6 (libc6,x86-64.*=> //p' | head -1)
if [[ -z $system_cxx ]] || ! grep -q "$needed_glibcxx" "$system_cxx"; then places=$here/lib/gcc:$places; fi
if [[ -n ${DDLS_MPI:-} ]]; then
  places=$DDLS_MPI:$places
else
  export OPAL_PREFIX=$here OPAL_BINDIR=$here/bin OPAL_LIBDIR=$here/lib OPAL_PKGLIBDIR=$here/lib/openmpi
  export OPAL_DATADIR=$here/share OPAL_PKGDATADIR=$here/share/openmpi OPAL_SYSCONFDIR=$here/etc
  export PMIX_PREFIX=$here PMIX_LIBDIR=$here/lib PMIX_PKGLIBDIR=$here/lib/pmix PMIX_MCA_mca_base_component_path=$here/lib/pmix
  export PATH=$here/bin:$PATH   # mpirun starts orted
fi
export LD_LIBRARY_PATH=$places${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export FONTCONFIG_FILE=${FONTCONFIG_FILE:-$here/etc/fonts.conf}
