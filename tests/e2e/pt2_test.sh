# A GAN that tools/export_gan.py wrote as a .pt2 archive, as docs/export.md shows, is sampled by every method, the same bytes on any
# number of ranks and the same samples as from TorchScript; archives that cannot be sampled are refused with a reason.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e:$DDLS_SOURCE_DIR/tools:$scratch" python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }

sed -n '/^```python pt2$/,/^```$/p' "$DDLS_SOURCE_DIR/docs/export.md" | sed '/^```/d' >my_gan.py
"${python[@]}" "$here/make_pt2.py" >told 2>err || { cat err; fail "the archives"; }
for sentence in 'the sigmoid at its end is taken off' 'scaled to [-1, 1]' 'z is given as [n, k, 1, 1], labels one-hot'; do
  grep -qF -- "$sentence" told || { cat told; fail "the exporter did not say '$sentence'"; }
done

every_sampler 24 >quick.yaml
hash_of() { (cd "$1/samples" && sha256sum ./*/samples.npz ./*/latents.npz ./*/chains.jsonl); }
for gan in gan classes; do
  for ranks in 1 2 3; do
    on "$ranks" sample --generator "$gan.pt2" --out "$gan$ranks" --config quick.yaml 2>err || { cat err; fail "$gan.pt2, np $ranks"; }
    hash_of "$gan$ranks" | cmp - <(hash_of "${gan}1") || fail "$gan.pt2: other bytes on $ranks ranks"
  done
done
grep -q 'latent_dim: 16' gan1/config.yaml || fail "the archive's latent size is not in the run's configuration"

# The same chains from TorchScript: gradients and ratios are those of Python's networks.
cat >check.py <<'PY'
import sys
import torch
from read_npz import read_npz
def images(run, method):
    return read_npz(f"{run}/samples/{method}/samples.npz").float()
G = torch.jit.load("G.pt")
for method in ("generator", "ddls", "hmc", "drs", "isir"):
    z = read_npz(f"gan2/samples/{method}/latents.npz")
    with torch.no_grad():
        x = G(z).permute(0, 2, 3, 1)
    assert (images("gan2", method) - (127.5 * x + 128).floor().clamp(0, 255)).abs().max() <= 1, method
for method in ("ddls", "underdamped", "pixel_langevin"):
    far = (images("gan1", method) - images("scripted", method)).abs().max()
    moved = (images("gan1", method) - images("gan1", "generator")).abs().max()
    assert far <= 1 < moved, (method, far, moved)
assert (read_npz("classes2/samples/mala/samples.npz", "arr_1") == torch.arange(24) % 3).all()
PY
on 1 sample --generator G.pt --discriminator D.pt --out scripted --config quick.yaml --set model.latent_dim=16 \
  --set 'sample.methods=[generator,ddls,underdamped,pixel_langevin]' 2>err || { cat err; fail "TorchScript"; }
"${python[@]}" check.py || fail "samples are not those of Python's networks"

# What its energy is worth, with reals and without; a calibration on reals. An archive of the three programs alone rates no samples.
on 2 energy --generator gan.pt2 --real gan1/samples/drs/samples.npz --json energy.json --set evaluate.energy_draws=200 >/dev/null 2>err || { cat err; fail "energy"; }
grep -q '"nats' energy.json || fail "no nats in energy.json"
on 1 sample --generator gan.pt2 --out calibrated --config quick.yaml --set 'sample.methods=[ddls]' --set train.calibration.method=isotonic --set train.calibration.held_out=23 \
  --set data.kind=npz --set data.train=gan1/samples/drs/samples.npz --set evaluate.reference=train 2>err || { cat err; fail "calibrated"; }
on 2 sample --generator three.pt2 --out three --config quick.yaml --set 'sample.methods=[ddls,mala,drs]' 2>err || { cat err; fail "three programs"; }
cmp three/samples/mala/latents.npz gan1/samples/mala/latents.npz || fail "three programs give other chains"
expect 65 2 energy --generator three.pt2 --real gan1/samples/drs/samples.npz
says "has no program 'score'"

refused() {  # CODE RANKS FILE TEXT [ARGUMENTS]
  local code=$1 ranks=$2 file=$3 text=$4
  shift 4
  expect "$code" "$ranks" sample --generator "$file" --out bad "$@"
  says "$text"
  ! grep -qE 'INTERNAL|Traceback|terminate' stderr || { cat stderr; fail "a trace of the interpreter: $file"; }
}
refused 66 2 none.pt2 'no such file'
refused 65 2 text.pt2 'no .pt2 archive'
refused 65 1 zip.pt2 'a .zip, but no .pt2 archive'
refused 65 1 script.pt2 'a TorchScript file and not a .pt2 archive'
refused 65 2 cut.pt2 'cut off'
refused 65 1 flipped.pt2 'is not what its checksum says'
refused 65 2 no_ratio_grad.pt2 "it has no program 'ratio_grad' (it has decode,"
refused 65 1 no_description.pt2 'it has no ddls.json'
refused 65 1 no_json.pt2 'ddls.json'
refused 65 1 no_prior.pt2 "it has no 'prior'"
refused 65 1 latent.pt2 "'latents' is not 3 rows of 17 numbers"
refused 65 1 program_latent.pt2 "self-test: program 'decode' fails on latents [3, 17]"
refused 65 1 range.pt2 "'range' is not [-1, 1]"
refused 65 2 self_test.pt2 "self-test: the log-ratios of program 'ratio' are off by"
refused 65 1 gradient.pt2 "self-test: the gradients of program 'ratio_grad' are off by"
refused 65 1 noisy.pt2 'it draws random numbers'
refused 65 2 coupled.pt2 'depends on the others of its batch'
refused 65 1 gan.pt2 'model.latent_dim is 8, but the archive says 16' --set model.latent_dim=8
refused 65 1 classes.pt2 'model.classes is 5, but the archive says 3' --set model.classes=5
refused 64 1 gan.pt2 'leave --discriminator out' --discriminator D.pt
refused 78 1 gan.pt2 'sample.cuda_graph: .pt2 archives' --set sample.cuda_graph=true
expect 65 1 sample --generator renamed.pt --discriminator D.pt --out bad
says 'a program of torch.export and not a TorchScript file'
