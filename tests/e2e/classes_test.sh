#!/usr/bin/env bash
# Classes of a conditional run: those without an image are named and never sampled; labels that count from 1 are recognised; the
# names of class folders go with the samples.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >conditional.yaml <<'YAML'
name: conditional
data: {kind: idx, train: data/train-images.idx, train_labels: from-1.idx, test: data/test-images.idx.gz}
model: {architecture: mlp_cgan, latent_dim: 6, generator_widths: [16], discriminator_widths: [16], ratio_widths: [16], ratio_hidden: 0, classifier_widths: [4, 8, 16]}
train: {steps: 4, batch: 16, ratio: {steps: 0, refine: {steps: 0}}, classifier: {steps: 4, batch: 16}}
sample: {methods: [generator, ddls], count: 24, ddls: {steps: 2}}
YAML
python3 - <<'PY'
import gzip, struct
labels = gzip.open("data/train-labels.idx.gz").read()[8:]
open("from-1.idx", "wb").write(struct.pack(">II", 0x801, len(labels)) + bytes(y + 1 for y in labels))
PY

# classes RUN EXPECTED: of the samples
classes() {
  PYTHONPATH="$DDLS_WHEEL_DIR:$here" python3 - "$1" "$2" <<'PY' || fail "the classes of $1"
import json, sys
from read_npz import read_npz
for method in ("generator", "ddls"):
    found = sorted(set(read_npz(f"{sys.argv[1]}/samples/{method}/samples.npz", "arr_1").tolist()))
    assert found == json.loads(sys.argv[2]), (method, found)
PY
}

# Labels 1 to 4: four classes are refused with the cure, which works; five leave class 0 without an image.
expect 78 2 --config conditional.yaml --set model.classes=4
says "they count from 1; set data.first_label=1"
expect 78 1 --config conditional.yaml --set model.classes=3
says "has labels up to 4: 4 different ones (1 to 4)"
limit_s=60 expect 0 2 --config conditional.yaml --out from1 --set model.classes=4 --set data.first_label=1
classes from1 '[0, 1, 2, 3]'
grep -q warning stderr && grep -q 'no samples of class' stderr && fail "a class is missed where none is"
python3 -c "
import json
assert json.load(open('from1/samples/ddls/manifest.json'))['class_names'] == ['1', '2', '3', '4']
assert 'classes' not in json.load(open('from1/report.json'))"
for classes in 5 9; do
  limit_s=60 expect 0 2 --config conditional.yaml --out of$classes --set model.classes=$classes --set sample.labels=uniform
  classes of$classes '[1, 2, 3, 4]'
done
says "model.classes is 9, but 'data train' has no samples of class 0, 5 to 8: such classes are not learnt"
python3 -c "
import json
assert json.load(open('of5/report.json'))['classes'] == {'model': 5, 'without_samples': [0]}"
expect 78 2 --config conditional.yaml --set model.classes=5 --set sample.labels=0
says "sample.labels is 0, but the training data have no sample of class 0"

# Class folders: their names go with the samples, so that another order of folders elsewhere does not matter.
for c in cat dog eel; do
  mkdir -p folders/$c
  for i in 1 2 3 4 5 6 7 8; do python3 "$here/make_png.py" folders/$c/$i.png 8 8; done
done
limit_s=60 expect 0 2 --config conditional.yaml --out named --set data.kind=images --set data.train=folders --set data.train_labels= \
  --set data.test= --set evaluate.reference=train --set model.classes=3 --set 'evaluate.metrics=[fid,intra_fid]' --set evaluate.reference_count=16
mkdir -p some && cp -r folders/dog folders/eel some/
on 1 evaluate --fake named/samples/ddls --real some --extractor named/extractor/classifier.pt --metrics intra_fid >intra.json 2>stderr
says "only 'ddls' has samples of class cat"
python3 - <<'PY' || fail "names of a run's classes"
import json
report = json.load(open("named/report.json"))
assert report["reference"]["count"] == 16, report["reference"]  # a part of 24 images in three folders has all classes
assert sorted(report["methods"]["ddls"]["metrics"]["intra_fid"]["per_class"]) == ["cat", "dog", "eel"]
m = json.load(open("intra.json"))["metrics"]["intra_fid"]
assert sorted(m["per_class"]) == ["dog", "eel"] and m["left_out"] == ["cat"], m
PY
