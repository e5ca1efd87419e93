#!/usr/bin/env bash
# init writes a configuration that runs as it is, of images with labels and of points; completion knows commands and options.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

small=(--set train.steps=6 --set train.ratio.steps=4 --set train.classifier.steps=4 --set sample.count=20 --set sample.ddls.steps=3
  --set sample.mala.steps=3 --set sample.block_size=10 --set evaluate.energy_draws=200 --set sample.allow_bad_energy=true)

# Folders of classes, of several sizes; idx files; points. Each loads, is what was asked for, and runs.
python3 - "$here" <<'PY'
import os, random, struct, subprocess, sys, zipfile
rng = random.Random(2)
for i in range(80):
    folder = f"pets/{'cat' if i % 2 else 'dog'}"
    os.makedirs(folder, exist_ok=True)
    subprocess.run([sys.executable, sys.argv[1] + "/make_png.py", f"{folder}/{i}.png", str(20 + i % 3), "18"], check=True)
header = "{'descr': '<f4', 'fortran_order': False, 'shape': (400, 2), }"
header += " " * (117 - len(header)) + "\n"
array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
array += b"".join(struct.pack("<ff", rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(400))
with zipfile.ZipFile("points.npz", "w") as z:
    z.writestr("arr_0.npy", array)
PY
for set in pets data/train-images.idx points.npz; do
  limit_s=20 expect 0 1 init "$set" --out made.yaml
  [[ $(<stdout) == made.yaml ]] || fail "$set: where the file is: $(<stdout)"
  grep -q '^# ' made.yaml || fail "$set: no comments"
  on 1 config --config made.yaml >resolved || fail "$set: it does not load"
  on 1 --config made.yaml --out "run-$(basename "$set")" "${small[@]}" >out 2>err || { cat made.yaml err >&2; fail "$set: it does not run"; }
  grep -q '</html>' "run-$(basename "$set")/report.html" || fail "$set: no report"
done
grep -q 'train_labels: "/.*data/train-labels.idx.gz"' <("$binary" init data/train-images.idx) || fail "the labels beside an idx file"
grep -q 'image_size: 16' <("$binary" init pets) || fail "the size of images that differ"

# Without labels it says what is missing, and still loads.
mkdir -p flat && cp pets/*/*.png flat
"$binary" init flat >flat.yaml
grep -q 'name a TorchScript' flat.yaml || fail "no word on the missing labels"
on 1 config --config flat.yaml >/dev/null || fail "flat.yaml does not load"

# Nothing to train on.
mkdir few && cp pets/cat/1.png few
expect 65 1 init few
says "too few to train on"
expect 66 1 init nothing
expect 64 1 init

# Completion, as bash calls it.
"$binary" completion >completion.bash
complete_line() {
  bash -c 'source ./completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ddls_dist; echo "${COMPREPLY[*]}"' bash "$@"
}
[[ $(complete_line ddls_dist ev) == evaluate ]] || fail "ev: $(complete_line ddls_dist ev)"
[[ $(complete_line ddls_dist evaluate --fa) == --fake ]] || fail "--fa: $(complete_line ddls_dist evaluate --fa)"
[[ $(complete_line ddls_dist --resume n) == never ]] || fail "--resume n: $(complete_line ddls_dist --resume n)"
[[ $(complete_line ddls_dist watch --ev) == --every ]] || fail "--ev: $(complete_line ddls_dist watch --ev)"
[[ $(complete_line ddls_dist bench coll) == collectives ]] || fail "bench coll"
