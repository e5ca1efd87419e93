#!/usr/bin/env bash
# evaluate --fake SET --real SET as a user calls it: every kind of set, every metric, any number of ranks.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The extractor: the classifier that a pipeline trains for itself.
# 600 samples are three blocks.
on 2 --config small.yaml --out run --set sample.count=600 --set sample.methods=[generator] >/dev/null
extractor=run/extractor/classifier.pt
all=fid,is,kid,prdc,fid_error,fid_infinity,is_infinity,intra_fid,mind,cmmd,improved_pr,clipped,probabilistic_pr,vendi,authenticity,ct,fld
small=(--set evaluate.batch=8 --set evaluate.kid.subset_size=20 --set evaluate.kid.subsets=6 --set evaluate.prdc.k=3)

mkdir -p pictures/a pictures/b
for i in 1 2 3 4 5 6; do
  python3 "$here/make_png.py" "pictures/a/$i.png" 8 8
  python3 "$here/make_png.py" "pictures/b/$i.png" 8 8
done

for ranks in 1 2 3 4; do
  on $ranks evaluate --fake run/samples/generator --real run/samples/real.npz --train run/samples/real.npz --extractor $extractor --metrics $all \
    "${small[@]}" --json "samples-$ranks.json" >/dev/null
  on $ranks evaluate --fake pictures --real pictures --train pictures --extractor $extractor --metrics $all "${small[@]}" \
    --json "pictures-$ranks.json" >/dev/null
done
on 1 evaluate --fake pictures --real pictures --extractor $extractor --metrics authenticity,ct --json none.json >/dev/null
grep -q '"authenticity_why": "no training set is given"' none.json || fail "no training set"
expect 64 1 evaluate --config small.yaml --train pictures
expect 66 2 evaluate --fake pictures --real pictures --train nowhere --extractor $extractor
PYTHONPATH=$here python3 - <<'PY' || fail "metrics at 1 to 4 ranks"
import json
import math

from json_numbers import numbers

def load(kind, ranks):
    with open(f"{kind}-{ranks}.json") as f:
        return json.load(f)

for kind in ("samples", "pictures"):
    expected = dict(numbers(load(kind, 1)["metrics"]))
    trace = 1e-9  # a distance of 0 is rounding of the traces
    for ranks in (2, 3, 4):
        got = dict(numbers(load(kind, ranks)["metrics"]))
        assert got.keys() == expected.keys(), (kind, ranks)
        for name, value in expected.items():
            same = math.isclose(value, got[name], rel_tol=1e-9, abs_tol=trace) if isinstance(value, float) else value == got[name]
            assert same, (kind, ranks, name, value, got[name])
samples, pictures = load("samples", 1), load("pictures", 1)
m = samples["metrics"]
assert m["frechet_distance"] > 0 and m["frechet_distance_std"] > 0 and m["inception_score"]["mean"] >= 1
assert len(m["fid_infinity"]["sizes"]) == 15 and m["fid_infinity"]["sizes"][-1] == 600
assert m["is_infinity"]["sizes"] == m["fid_infinity"]["sizes"] and m["is_infinity"]["scores"][-1] >= 1
assert m["intra_fid"] is None and "labels" in m["intra_fid_why"]
assert set(samples["protocol"]) >= {"quantisation", "resize", "inception_splits", "kid", "prdc"}
assert len(samples["extractor"]["sha256"]) == 64 and samples["fake"]["count"] == 600
m = pictures["metrics"]
assert abs(m["frechet_distance"]) < 1e-6 and m["precision"] == m["recall"] == m["coverage"] == 1
assert m["intra_fid"]["classes"] == 2 and abs(m["intra_fid"]["mean"]) < 1e-6
assert m["fid_infinity"] is None and m["frechet_distance_std"] is None  # 12 images
assert m["mind"] == 0 and m["authenticity"] == 0 and m["improved_precision"] == m["improved_recall"] == 1  # copies
assert m["ct"] is None and m["fld"]["gap"] == 0 and 1 <= m["vendi"] <= 12
m = samples["metrics"]
assert m["mind"] > 0 and m["ct"]["cells"] >= 1 and 0 < m["clipped_coverage"] <= 1 and math.isfinite(m["fld"]["value"])
assert samples["training"] == samples["reference"] and "training" not in json.load(open("none.json"))
PY

# A class is its name: numbers of folders do not matter, and what only one set has is said. Nothing in common is refused.
mkdir -p fewer other && cp -r pictures/b fewer/b && cp -r pictures/a fewer/c && cp -r pictures/a other/x
intra() { on 2 evaluate --fake "$1" --real "$2" --extractor $extractor --metrics intra_fid "${small[@]}" 2>stderr; }
intra pictures fewer >intra.json
says "intra_fid: only 'pictures' has samples of class a; only 'fewer' has samples of class c"
python3 - <<'PY' || fail "classes by name"
import json
m = json.load(open("intra.json"))["metrics"]["intra_fid"]
assert list(m["per_class"]) == ["b"] and abs(m["per_class"]["b"]) < 1e-6 and sorted(m["left_out"]) == ["a", "c"], m
PY
expect 65 2 evaluate --fake pictures --real other --extractor $extractor --metrics intra_fid
says "have no class in common: a, b in the first, x in the second"
expect 0 2 evaluate --fake pictures --real other --extractor $extractor --metrics fid "${small[@]}" # no class is asked for

# A folder per class: said where a metric takes a part of the set at a time.
on 2 evaluate --fake pictures --real pictures --extractor $extractor --metrics is,prdc "${small[@]}" --set evaluate.prdc.count=8 \
  >/dev/null 2>stderr
says 'lies class by class: each of the 10 parts of its Inception score'
[[ $(grep -c 'lies class by class: prdc takes the first 8' stderr) == 2 ]] || { cat stderr >&2; fail "the order of the sets is not warned of"; }
on 1 evaluate --fake run/samples/generator --real pictures --extractor $extractor --metrics is,prdc "${small[@]}" >/dev/null 2>stderr
grep -q 'lies class by class' stderr && { cat stderr >&2; fail "a warning of sets in no order, or taken whole"; }

# Statistics: kept, used again, readable as a set, refused for another extractor.
for i in 1 2; do
  on 2 evaluate --fake pictures --real run/samples/real.npz --extractor $extractor --metrics fid \
    --set evaluate.cache=kept --json kept-$i.json >/dev/null 2>log-$i
done
grep -q "statistics of real from" log-2 || fail "the second evaluation did not use the kept statistics"
grep -q "statistics of real from" log-1 && fail "the first evaluation used statistics that were not there"
statistics=$(echo kept/*.npz)
on 1 evaluate --fake pictures --real "$statistics" --extractor $extractor --metrics fid --json kept-3.json >/dev/null
on 1 evaluate --fake pictures --real "$statistics" --extractor $extractor --json kept-4.json >/dev/null
python3 - <<'PY' || fail "statistics instead of images"
import json
values = [json.load(open(f"kept-{i}.json")) for i in (1, 2, 3, 4)]
d = [v["metrics"]["frechet_distance"] for v in values]
assert all(abs(x - d[0]) <= 1e-9 * d[0] for x in d), d
assert values[2]["reference"]["count"] == 120
assert values[3]["metrics"]["kid"] is None and "statistics" in values[3]["metrics"]["kid_why"]
PY
# Samples and statistics in one file: each metric takes what it needs, and that is said and recorded.
python3 - "$statistics" <<'PY'
import sys, zipfile
with zipfile.ZipFile("both.npz", "w") as to:
    for path in (sys.argv[1], "run/samples/real.npz"):
        with zipfile.ZipFile(path) as source:
            for name in source.namelist():
                to.writestr(name, source.read(name))
    to.writestr("README.txt", "no array")
PY
on 2 evaluate --fake pictures --real both.npz --extractor $extractor "${small[@]}" --json both.json >/dev/null 2>stderr
says "both holds samples and statistics: mu and sigma for the Fréchet distance, its 120 samples for all other metrics"
python3 - <<'PY' || fail "samples and statistics in one file"
import json
of, both = (json.load(open(f"{name}.json")) for name in ("kept-3", "both"))
assert abs(both["metrics"]["frechet_distance"] - of["metrics"]["frechet_distance"]) <= 1e-9 * of["metrics"]["frechet_distance"]
assert both["metrics"]["kid"]["unbiased"] is not None and both["reference"]["count"] == 120
assert both["reference"]["frechet_distance_of"] == "mu and sigma of the file" and "frechet_distance_of" not in both["fake"]
PY
sed -i 's/"extractor_sha256": "[0-9a-f]/&x/' kept/*.json
expect 65 2 evaluate --fake pictures --real "$statistics" --extractor $extractor --metrics fid
says "extractor_sha256"
expect 65 2 evaluate --fake pictures --real run/samples/real.npz --extractor $extractor --metrics fid --set evaluate.cache=kept
says "extractor_sha256"

# A damaged image in the middle is named, whoever meets it; one image is no set; a metric must be known.
head -c 60 pictures/a/5.png >cut && mv cut pictures/a/5.png
for ranks in 1 3; do
  expect 65 $ranks evaluate --fake pictures --real run/samples/real.npz --extractor $extractor "${small[@]}"
  says "a/5.png"
done
# Skipped, it is counted, and the rest is evaluated: as the folder without it, at any number of ranks; also of an archive.
rm -rf rest && cp -r pictures rest && rm rest/a/5.png
tar -cf pictures.tar pictures
on 1 evaluate --fake rest --real run/samples/real.npz --extractor $extractor "${small[@]}" --json rest.json >/dev/null
for ranks in 1 3; do
  limit_s=30 expect 0 $ranks evaluate --fake pictures --real run/samples/real.npz --extractor $extractor "${small[@]}" --set data.damaged=skip --json skipped-$ranks.json
  says "images are damaged and left out"
done
limit_s=30 expect 0 2 evaluate --fake pictures.tar --real pictures --extractor $extractor "${small[@]}" --set data.damaged=skip --json skipped-tar.json
python3 - <<'PY' || fail "damaged images that are skipped"
import json
rest, one, three, tar = (json.load(open(f"{n}.json")) for n in ("rest", "skipped-1", "skipped-3", "skipped-tar"))
for v in (one, three):
    assert v["fake"]["damaged"] == 1 and v["fake"]["count"] == rest["fake"]["count"], v["fake"]
    assert abs(v["metrics"]["frechet_distance"] - rest["metrics"]["frechet_distance"]) <= 1e-6 * rest["metrics"]["frechet_distance"]
assert "damaged" not in rest["fake"] and tar["fake"]["damaged"] == tar["reference"]["damaged"] == 1, tar
assert abs(tar["metrics"]["frechet_distance"]) < 1e-3, tar["metrics"]
PY

# Pixels are the stored samples: gamma changes nothing, transparency and EXIF what the configuration says; kept statistics know it.
python3 "$here/make_pixels.py" pixels
for pair in "gamma plain" "alpha plain" "exif plain" "alpha black --set data.alpha=black" "alpha white --set data.alpha=white" "exif turned --set data.exif=apply"; do
  read -r fake real options <<<"$pair"
  # shellcheck disable=SC2086
  on 2 evaluate --fake pixels/$real --real pixels/$fake --extractor $extractor --metrics fid --json pixels/$fake-$real.json --set evaluate.cache=pixels/kept $options >/dev/null 2>stderr
done
python3 - <<'PY' || fail "pixels"
import json
read = lambda name: json.load(open(f"pixels/{name}.json"))
for name in ("gamma-plain", "alpha-plain", "exif-plain", "alpha-black", "alpha-white", "exif-turned"):
    assert abs(read(name)["metrics"]["frechet_distance"]) < 1e-6, (name, read(name)["metrics"])
assert read("alpha-plain")["reference"]["pixels"] == ["transparency: drop"], read("alpha-plain")["reference"]
assert read("exif-turned")["reference"]["pixels"] == ["EXIF orientation: apply"], read("exif-turned")["reference"]
assert "pixels" not in read("gamma-plain")["reference"]
PY
expect 78 1 evaluate --fake pixels/plain --real pixels/plain --extractor $extractor --set data.alpha=grey
says "data.alpha"

mkdir one && python3 "$here/make_png.py" one/1.png 8 8
expect 65 2 evaluate --fake one --real run/samples/real.npz --extractor $extractor
says "at least 2"
expect 78 1 evaluate --fake one --real one --extractor $extractor --metrics fid,psnr
