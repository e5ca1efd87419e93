# A GAN written by the Python example of docs/export.md is sampled by the program, on any number of ranks; files that cannot be
# sampled are refused with a reason.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e" python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }

sed -n '/^```python$/,/^```$/p' "$DDLS_SOURCE_DIR/docs/export.md" | sed '/^```/d' >example.py
cat >>example.py <<'PY'

# What the test needs beyond the example.
class Wrong(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.D = kind, D

    def forward(self, x):
        d = self.D(x)
        return d.sigmoid() if self.kind == "sigmoid" else d.detach() if self.kind == "detached" else torch.cat([d, d], 1)

for kind in ("sigmoid", "detached", "two_columns"):
    torch.jit.trace(Wrong(kind), x).save(kind + ".pt")
torch.jit.script(nn.Sequential(G, nn.Threshold(0.0, 0.0))).save("unit_G.pt")  # images in [0, 1]
torch.save(G.state_dict(), "weights_G.pt")
with open("G.pt", "rb") as whole, open("cut_G.pt", "wb") as cut:
    cut.write(whole.read()[:20000])

class Device(nn.Module):
    def forward(self, z):
        return torch.tanh(z @ torch.ones([16, 2], device=torch.device("cuda:0")))

class Backward(nn.Module):
    def __init__(self):
        super().__init__()
        self.D = D

    def forward(self, x):
        h = torch.tanh(self.D(x))
        k = h * h
        h.mul_(2.0)
        return k + h

torch.jit.script(Device()).save("device_G.pt")
torch.jit.script(Backward()).save("backward.pt")

class PerClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.G, self.shift = G, nn.Embedding(3, latent_dim)

    def forward(self, z, labels):
        return self.G(z + self.shift(labels))

class PerClassScore(nn.Module):
    def __init__(self):
        super().__init__()
        self.D, self.weight = D, nn.Embedding(3, 1)

    def forward(self, x, labels):
        return self.D(x) + self.weight(labels)

y = torch.arange(8) % 3
torch.jit.trace(PerClass(), (z, y)).save("class_G.pt")
torch.jit.trace(PerClassScore(), (x, y)).save("class_D.pt")
G.train()
torch.jit.trace(G, z, check_trace=False).save("training_G.pt")
PY
"${python[@]}" example.py 2>err || { cat err; fail "the example of docs/export.md"; }

{ echo "model: {latent_dim: 16}"; every_sampler 40; } >quick.yaml
options=(--config quick.yaml)
for ranks in 1 2 3 4; do
  on "$ranks" sample --generator G.pt --discriminator D.pt --out "np$ranks" "${options[@]}" 2>err || { cat err; fail "np $ranks"; }
done
hash_of() { (cd "$1/samples" && sha256sum ./*/samples.npz ./*/latents.npz ./*/chains.jsonl); }
hash_of np1 >whole
for ranks in 2 3 4; do hash_of "np$ranks" | cmp whole - || fail "other bytes on $ranks ranks"; done

# What was written is what Python's copy of the networks gives for these latents.
cat >check.py <<'PY'
import torch
from read_npz import read_npz
G = torch.jit.load("G.pt")
for method in ("generator", "ddls", "mala", "hmc", "tempering", "truncation", "drs", "pcn", "elliptical_slice", "smc", "rejection", "isir", "flow", "sir"):
    z = read_npz(f"np2/samples/{method}/latents.npz")
    u8 = read_npz(f"np2/samples/{method}/samples.npz")
    assert z.shape == (40, 16) and u8.shape == (40, 16, 16, 3), (z.shape, u8.shape)
    with torch.no_grad():
        x = G(z).permute(0, 2, 3, 1)
    assert (u8 - (127.5 * x + 128).floor().clamp(0, 255)).abs().max() <= 1, method
PY
"${python[@]}" check.py || fail "samples are not G(latents)"

# Without a configuration the run is named after the file, whatever it is called, and there are pictures.
cp G.pt "my model (2).pt"
on 1 sample --generator "my model (2).pt" --discriminator D.pt --set model.latent_dim=16 --set sample.count=20 --set 'sample.methods=[ddls]' \
  --set sample.ddls.steps=2 2>err || { cat err; fail "a file whose name has a space"; }
[[ -s runs/my_model_2/samples/ddls/grid.png && -s runs/my_model_2/samples/ddls/trajectory.png ]] || fail "no pictures of runs/my_model_2"

on 2 sample --generator class_G.pt --discriminator class_D.pt --out classes "${options[@]}" --set model.classes=3 2>err || { cat err; fail "conditional"; }
"${python[@]}" - <<'PY' || fail "labels"
import torch
from read_npz import read_npz
assert (read_npz("classes/samples/mala/samples.npz", "arr_1") == torch.arange(40) % 3).all()
PY

# A calibration on reals of one's own; here samples that the discriminator rates above the generator's.
calibrated=(--config quick.yaml --set 'sample.methods=[ddls,drs]' --set train.calibration.held_out=39 --set data.kind=npz --set data.train=np1/samples/drs/samples.npz --set evaluate.reference=train)
for ranks in 1 3; do
  on "$ranks" sample --generator G.pt --discriminator D.pt --out "calibrated$ranks" "${calibrated[@]}" --set train.calibration.method=isotonic 2>err || { cat err; fail "calibrated, np $ranks"; }
done
hash_of calibrated1 >whole
hash_of calibrated3 | cmp whole - || fail "calibrated: other bytes on 3 ranks"
grep -q '"fitted_on": 19' calibrated3/calibration.json || fail "no record of the calibration"
expect 78 1 sample --generator G.pt --discriminator D.pt --out bad "${calibrated[@]}" --set train.calibration.method=head
says 'a head needs the features'
expect 78 1 sample --generator G.pt --discriminator D.pt --out bad --config quick.yaml --set sample.cuda_graph=true
says 'sample.cuda_graph: TorchScript files'
expect 78 2 sample --generator G.pt --discriminator D.pt --out bad --config quick.yaml --set train.calibration.method=platt
says 'name reals that the discriminator never saw'

one=(--set model.latent_dim=16)
expect 65 2 sample --generator G.pt --discriminator sigmoid.pt --out bad "${one[@]}"
says 'look like probabilities'
expect 65 1 sample --generator G.pt --discriminator detached.pt --out bad "${one[@]}"
says 'cannot be differentiated'
expect 65 1 sample --generator G.pt --discriminator two_columns.pt --out bad "${one[@]}"
says 'expected logits'
expect 65 1 sample --generator training_G.pt --discriminator D.pt --out bad "${one[@]}"
says 'depends on the others of its batch'
expect 65 1 sample --generator G.pt --discriminator D.pt --out bad
says 'set model.latent_dim=16'
# One message on any number of ranks, and none of the interpreter's own.
refused() {
  expect 65 "$1" sample --generator "$2" --discriminator "$3" --out bad "${one[@]}"
  says "$4"
  ! grep -qE 'INTERNAL|Traceback|__torch__' stderr || { cat stderr; fail "a trace of the interpreter: $2 $3"; }
}
refused 2 G.pt backward.pt 'backward.pt: its gradient cannot be computed'
refused 1 unit_G.pt D.pt 'end the file with x * 2 - 1'
refused 1 device_G.pt D.pt 'a device is written into the file'
refused 1 weights_G.pt D.pt 'written by torch.save'
refused 1 cut_G.pt D.pt 'cut off'
python3 - <<'PY'
import struct, zipfile
entry = max(zipfile.ZipFile("G.pt").infolist(), key=lambda e: e.file_size)
file = bytearray(open("G.pt", "rb").read())
name, extra = struct.unpack("<HH", file[entry.header_offset + 26:entry.header_offset + 30])
file[entry.header_offset + 30 + name + extra + 2] ^= 1
open("flipped_G.pt", "wb").write(file)
PY
refused 2 flipped_G.pt D.pt 'is not what its checksum says'
expect 66 1 sample --generator none.pt --discriminator D.pt --out bad
says 'no such file'
expect 65 1 sample --generator example.py --discriminator D.pt --out bad
says 'not a TorchScript file'
expect 64 1 sample --generator G.pt --out bad
says 'belong together'
