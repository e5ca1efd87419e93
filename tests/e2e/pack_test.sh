# launch/pack.sh makes a folder that runs elsewhere: here, with the machine's own Open MPI, YAML, cairo ... hidden from it, and moved
# to a path with a space in it. Samples are the same bytes as the build's own.
for tool in patchelf ompi_info; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: there is no $tool (launch/test.sh installs patchelf where it may)"
    exit 77
  fi
done
source "$(dirname "$0")/lib.sh"
root=$here/../..
torch_of() { ldd "$1" | sed -n 's|.* => \(.*/torch\)/lib/libtorch\.so .*|\1|p'; }
torch=$(torch_of "$binary")
[[ -n $torch ]] || fail "the program does not say which LibTorch it uses"

DDLS_BINARY=$binary DDLS_DEPS=$(dirname "$(dirname "$torch")") bash "$root/launch/pack.sh" packed >out 2>err || { cat out err >&2; fail "pack.sh"; }
mkdir "some where"
mv packed "some where/moved"
folder=$scratch/some\ where/moved
(cd "$folder" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS"
# Each library's package has its licence there, where packages are the system's.
if command -v dpkg-query >/dev/null; then
  for library in libmpi libyaml-cpp libspdlog libfmt libzip libpng16 libjpeg libcairo libxxhash libcrypto; do
    for file in "$folder/lib/$library".so* "$folder/lib/$library"-*.so*; do
      [[ -e $file ]] || continue
      package=$(dpkg-query -S "$(basename "$file")" 2>/dev/null | grep -v -- '-dev' | head -1 | sed 's/:.*//')
      [[ -z $package || -s $folder/licences/$package ]] || fail "licences/ has nothing of $package ($(ls "$folder/licences" | tr '\n' ' '))"
    done
  done
  [[ $(ls "$folder/licences" | wc -l) -gt 20 ]] || fail "licences/ holds $(ls "$folder/licences" | wc -l) texts"
fi
# Nothing in it points to where it was made.
if grep -rlF -e "$scratch/packed" -e "$(dirname "$binary")" "$folder/bin" "$folder/lib" "$folder/environment.sh" 2>/dev/null | grep -v '/bin/ddls_dist$'; then
  fail "these files name the place of the build"
fi
for file in "$folder"/bin/* "$folder"/lib/*.so* "$folder"/lib/openmpi/*.so; do
  rpath=$(patchelf --print-rpath "$file")
  [[ $rpath == '$ORIGIN'* ]] || fail "$file looks for libraries in '$rpath'"
done

cat >tiny.yaml <<'YAML'
name: tiny
data: {kind: gaussians25, points: 500}
model: {generator_widths: [16], discriminator_widths: [16], ratio_widths: [16]}
train: {steps: 6, batch: 16, checkpoint_every: 100, ratio: {steps: 4, batch: 16}}
sample: {methods: [generator, ddls], count: 40, block_size: 10, ddls: {steps: 5}}
evaluate: {metrics: [fid]}
YAML
on 2 --config tiny.yaml --out here >out 2>err || { cat err >&2; fail "the build's own program"; }

# The libraries of this machine that the folder must not need are not there for it.
cat >elsewhere.sh <<END
set -e
nothing=$scratch/nothing
mkdir -p \$nothing
for place in /usr/lib/*/openmpi /usr/lib/*/pmix* /usr/share/openmpi; do
  if [ -d "\$place" ]; then mount --bind \$nothing "\$place"; fi
done
: >\$nothing.file
for library in /usr/lib/*/libmpi.so.* /usr/lib/*/libopen-*.so.* /usr/lib/*/libpmix.so.* /usr/lib/*/libyaml-cpp.so.* /usr/lib/*/libspdlog.so.* /usr/lib/*/libfmt.so.* /usr/lib/*/libzip.so.* /usr/lib/*/libcairo.so.* /usr/lib/*/libjpeg.so.* /usr/bin/mpirun* /usr/bin/orte*; do
  if [ -f "\$library" ]; then mount --bind \$nothing.file "\$(realpath "\$library")"; fi
done
if $(printf '%q' "$binary") --version 2>/dev/null; then echo "the libraries are not hidden" >&2; exit 9; fi
export DDLS_TORCH=$(printf '%q' "$torch")
cd $(printf '%q' "$folder")
./ddls_dist --version
./ddls_dist info >$(printf '%q' "$scratch/info")
./mpirun -q -np 2 ./ddls_dist --config $(printf '%q' "$scratch/tiny.yaml") --out $(printf '%q' "$scratch/there")
END
if unshare --mount true 2>/dev/null; then
  unshare --mount bash elsewhere.sh >out 2>err || { cat out err >&2; fail "the packed program"; }
else
  echo "no mount namespace can be had here: the folder was tried beside the machine's own libraries"
  DDLS_TORCH=$torch "$folder/mpirun" -q -np 2 "$folder/ddls_dist" --config tiny.yaml --out there >out 2>err || { cat err >&2; fail "the packed program"; }
fi
if [[ -e info ]]; then  # libraries that are loaded only when they are needed
  grep -Eq 'noise_on_gpu +(yes|no: .*(NVRTC [0-9.]+ compiles its kernels|built without CUDA))' info || { cat info >&2; fail "the packed program does not find NVRTC"; }
fi
grep -q '"ranks": 2' there/run.json || fail "the packed mpirun started separate copies"
bytes_of() { (cd "$1/samples" && sha256sum ./*/samples.npz ./*/latents.npz ./*/chains.jsonl); }
bytes_of here >here.hashes
[[ $(wc -l <here.hashes) == 6 ]] || fail "too few files were compared"
bytes_of there | cmp here.hashes - || fail "the packed program gives other bytes"

# What it says without LibTorch, and with another.
rc=0; DDLS_TORCH=$scratch/nowhere "$folder/ddls_dist" --version >stdout 2>stderr || rc=$?
[[ $rc == 78 ]] || fail "exit code $rc, not 78, without LibTorch"
says 'there is no LibTorch in'
mkdir -p other/torch/lib; touch other/torch/lib/libtorch.so; echo "__version__ = '2.4.1+cpu'" >other/torch/version.py
rc=0; DDLS_TORCH=$scratch/other "$folder/ddls_dist" --version >stdout 2>stderr || rc=$?
[[ $rc == 78 ]] || fail "exit code $rc, not 78, with another LibTorch"
says 'was built for torch 2.11.0'

# No GPU here: the check says so and exits with 78.
rc=0; CUDA_VISIBLE_DEVICES='' DDLS_TORCH=$torch "$folder/launch/gpu_check.sh" --out check >stdout 2>stderr || rc=$?
[[ $rc == 78 ]] || { cat stdout stderr >&2; fail "gpu_check.sh exits with $rc, not 78, where there is no GPU"; }
says 'Nothing was checked'
