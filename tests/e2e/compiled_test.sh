# Programs of an archive as native code (tools/export_gan.py --aot): they run only where the user says so, give the samples of the portable ones
# to rounding and the same bytes on any number of ranks; portable ones run, with the reason, where they do not fit or cannot be loaded;
# those that give other values are refused.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e:$DDLS_SOURCE_DIR/tools" OMP_NUM_THREADS=1 python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }
command -v g++ >/dev/null || { echo "no g++, which Inductor compiles with"; exit 77; }
grep -qE '^flags.* avx2( |$)' /proc/cpuinfo || { echo "no AVX2: programs are compiled for AVX2 and AVX-512 alone"; exit 77; }
"${python[@]}" "$here/make_compiled.py" >told 2>err || { cat err; fail "the archives"; }
grep -q 'ratio_grad also compiled for AVX' told || { cat told; fail "the exporter did not say that it compiled"; }

sample() {  # RANKS FILE OUT [ARGUMENTS]
  local ranks=$1 file=$2 out=$3
  shift 3
  on "$ranks" sample --generator "$file" --out "$out" --set 'sample.methods=[ddls,mala]' --set sample.count=24 --set sample.block_size=8 \
    --set sample.ddls.steps=5 --set sample.mala.steps=4 "$@" 2>err || { cat err; fail "$file $*, np $ranks"; }
}
run_says() { grep -qF -- "$1" err || { cat err; fail "the log does not say '$1'"; }; }
hash_of() { (cd "$1/samples" && sha256sum ./*/samples.npz ./*/latents.npz); }
native=(--set model.compiled=auto)

sample 1 gan.pt2 portable
run_says 'its portable programs run; the compiled ones are native code, which model.compiled: auto allows'
for ranks in 1 2 3; do
  sample "$ranks" gan.pt2 "native$ranks" "${native[@]}"
  run_says '(ratio_grad); they are within'
  hash_of "native$ranks" | cmp - <(hash_of native1) || fail "compiled programs: other bytes on $ranks ranks"
done
cat >check.py <<'PY'
from read_npz import read_npz
for method in ("ddls", "mala"):
    a, b = (read_npz(f"{run}/samples/{method}/latents.npz") for run in ("portable", "native1"))
    assert (a - b).abs().max() <= 1e-4 * a.abs().max(), (method, (a - b).abs().max())
PY
"${python[@]}" check.py || fail "compiled programs give other samples"
# What portable programs sampled is not taken for theirs.
sample 1 gan.pt2 portable "${native[@]}"
hash_of portable | cmp - <(hash_of native1) || fail "samples of portable programs were kept for those of compiled ones"

sample 1 gan.pt2 portable
stays() {  # FILE TEXT
  sample 2 "$1" "${1%.pt2}" "${native[@]}"
  run_says "its portable programs run: $2"
  hash_of "${1%.pt2}" | cmp - <(hash_of portable) || fail "$1: other bytes than those of the portable programs"
}
stays machine.pt2 'the others are compiled for SVE256, and this processor has AVX'
stays torch.pt2 'the others are compiled with torch 2.10.0, and this is'
stays no_code.pt2 "no_code.pt2: its compiled program 'ratio_grad' cannot be loaded"

refused() {  # CODE FILE TEXT [ARGUMENTS]
  local code=$1 file=$2 text=$3
  shift 3
  expect "$code" 2 sample --generator "$file" --out bad "${native[@]}" "$@"
  says "$text"
}
refused 65 weights.pt2 "self-test: the values of program 'ratio_grad, compiled' are off by"
refused 65 no_metadata.pt2 'missing, so nothing says what it is compiled for'
refused 78 G.pt 'model.compiled: only a .pt2 archive has compiled programs' --discriminator D.pt --set model.latent_dim=4
expect 78 2 --config small.yaml --out bad "${native[@]}"
says 'model.compiled: only a .pt2 archive has compiled programs'
