#!/usr/bin/env bash
# How numbers were made: resize before the extractor, several extractors in one pass, `explain`, and `compare` over seeds.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Two networks: the classifiers of two runs.
few=(--set sample.count=40 --set sample.methods=[generator,ddls] --set evaluate.metrics=[fid,kid,prdc] --set evaluate.kid.subset_size=20 --set evaluate.prdc.k=3)
for seed in 1 2; do
  on 2 --config small.yaml --out "own-$seed" --set seed=$seed "${few[@]}" >/dev/null
  cp "own-$seed/extractor/classifier.pt" "net$seed.pt"
done
mkdir -p pictures real
for i in $(seq 1 20); do
  python3 "$here/make_png.py" "pictures/$i.png" 13 9
  python3 "$here/make_png.py" "real/$i.png" 9 $((12 + i % 3))
done
metrics=(--metrics fid,kid,prdc,fid_infinity --set evaluate.batch=8 --set evaluate.kid.subset_size=8 --set evaluate.prdc.k=3)
pair=(--fake pictures --real real)

# Resize: one result at every rank count; without a size the file has to say one, and ours does not.
for ranks in 1 2 3 4; do
  on $ranks evaluate "${pair[@]}" --extractor net1.pt --extractor net2.pt --resize bicubic --resize-to 8 "${metrics[@]}" \
    --json both-$ranks.json >/dev/null
done
on 2 evaluate "${pair[@]}" --extractor net2.pt --resize bicubic --resize-to 8 "${metrics[@]}" --json second.json >/dev/null
on 1 evaluate "${pair[@]}" --extractor net1.pt --resize box --resize-to 8 "${metrics[@]}" --json box.json >/dev/null
on 1 evaluate "${pair[@]}" --extractor net1.pt --resize bicubic --resize-to 8 --set evaluate.resize_rounded=false "${metrics[@]}" --json floats.json >/dev/null
expect 78 2 evaluate "${pair[@]}" --extractor net1.pt --resize bicubic
says "evaluate.resize_to"
expect 78 1 evaluate "${pair[@]}" --extractor net1.pt --resize nearest
says "one of: none, area, box, bilinear, bicubic, lanczos"
expect 78 2 evaluate "${pair[@]}" --extractor net1.pt --extractor own-2/../net1.pt --resize box --resize-to 8
says "two networks are called 'net1'"
expect 64 1 evaluate --config small.yaml --resize box
expect 78 1 --config small.yaml --out refused --set evaluate.resize=box
says "the run's own classifier sees the images as they are"
PYTHONPATH=$here python3 - <<'PY' || fail "resize and several extractors"
import json
import math

from json_numbers import numbers

read = lambda name: json.load(open(f"{name}.json"))
def same(a, b):
    a, b = dict(numbers(a)), dict(numbers(b))
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for name in a:
        good = math.isclose(a[name], b[name], rel_tol=1e-9, abs_tol=1e-9) if isinstance(a[name], float) else a[name] == b[name]
        assert good, (name, a[name], b[name])

one = read("both-1")
for ranks in (2, 3, 4):
    other = read(f"both-{ranks}")
    for part in ("metrics", "by_extractor", "protocol", "fake", "reference", "extractor"):
        same(one[part], other[part])
assert list(one["by_extractor"]) == ["net1", "net2"]
same(one["by_extractor"]["net1"]["metrics"], one["metrics"])
same(one["by_extractor"]["net2"]["metrics"], read("second")["metrics"])
assert one["metrics"]["frechet_distance"] != one["by_extractor"]["net2"]["metrics"]["frechet_distance"]
assert one["protocol"]["resize"] == "bicubic to 8 x 8" and read("floats")["protocol"]["resize"] == "bicubic to 8 x 8, not rounded"
assert "by_extractor" not in read("box") and len(one["fake"]["digest"]) == 16
near, far = (abs(read(n)["metrics"]["frechet_distance"] - one["metrics"]["frechet_distance"]) for n in ("floats", "box"))
assert 0 < near < far, (near, far)
PY

# Statistics are kept for one resize, and accepted for no other.
for filter in bicubic area bicubic; do
  on 2 evaluate "${pair[@]}" --extractor net1.pt --resize $filter --resize-to 8 "${metrics[@]}" --set evaluate.cache=kept --set evaluate.keep_statistics=true \
    --json kept-$filter.json >/dev/null 2>log
done
grep -q "statistics of real from" log || fail "the kept statistics were not used"
[[ $(ls kept/*.npz | wc -l) == 4 ]] || fail "not two references and two sets of samples are kept"
statistics=$(ls kept/*.npz | grep -v samples- | grep area)
on 1 evaluate --fake pictures --real "$statistics" --extractor net1.pt --resize area --resize-to 8 --metrics fid >/dev/null
expect 65 2 evaluate --fake pictures --real "$statistics" --extractor net1.pt --resize bicubic --resize-to 8 --metrics fid
says 'resize "area to 8 x 8", but "bicubic to 8 x 8" is needed'

# explain: one part, several, several with statistics of every combination, and what is no result.
on 1 explain both-1.json box.json --json explained.json >explained.txt
grep -q "all by resize" explained.txt || { cat explained.txt >&2; fail "a resize was not found"; }
on 2 evaluate --fake pictures --real pictures --extractor net1.pt --resize area --resize-to 8 "${metrics[@]}" --set evaluate.cache=kept --json other.json >/dev/null
on 1 explain kept-bicubic.json other.json --json unknown.json >/dev/null
on 2 evaluate --fake pictures --real pictures --extractor net1.pt --resize bicubic --resize-to 8 "${metrics[@]}" --set evaluate.cache=kept --json middle.json >/dev/null
on 2 explain kept-bicubic.json other.json --cache kept --json shares.json >/dev/null
python3 - <<'PY' || fail "explain"
import json
read = lambda name: json.load(open(f"{name}.json"))["pairs"][0]
one = read("explained")
assert [part["part"] for part in one["differs"]] == ["resize"] and not one["unknown"], one
value = one["metrics"]["frechet_distance"]
assert value["why"] == "all by resize" and value["parts"] == ["resize"] and value["difference"] == value["b"] - value["a"], value
unknown = read("unknown")["metrics"]["frechet_distance"]
assert "shares" not in unknown and "no statistics are kept" in unknown["why"], unknown
shares = read("shares")["metrics"]["frechet_distance"]
assert set(shares["shares"]) == {"reference", "resize"}, shares
total = sum(share["value"] for share in shares["shares"].values())
assert abs(total - shares["difference"]) < 1e-9 * abs(shares["difference"]), shares
PY
expect 66 1 explain both-1.json nowhere.json
expect 65 2 explain both-1.json own-1/run.json
says "no result of an evaluation"
expect 64 1 explain both-1.json
expect 71 1 explain both-1.json box.json --json nowhere/explained.json

# A run by two networks, and its seeds on one page; two seeds of one configuration.
for seed in 3 4; do
  on 2 --config small.yaml --out "seed-$seed" --set seed=$seed "${few[@]}" --set evaluate.extractor=[net1.pt,net2.pt] >/dev/null
done
on 1 explain seed-3/report.json seed-4/report.json >explained.txt
[[ $(grep -c '^A: ' explained.txt) == 4 ]] || { cat explained.txt >&2; fail "not two methods by two networks"; }
on 1 compare seed-3 seed-4 --out both.html --latex both.tex --csv both.csv >/dev/null
grep -q "Over seeds" both.html || fail "no table over seeds"
grep -q '^small (n = 2) & ddls & \$.*\\pm' both.tex || { cat both.tex >&2; fail "the LaTeX table"; }
python3 - <<'PY' || fail "compare over seeds, reports of two networks"
import csv, json, statistics
reports = [json.load(open(f"seed-{seed}/report.json")) for seed in (3, 4)]
for report in reports:
    assert report["extractor"]["name"] == "net1" and list(report["by_extractor"]) == ["net1", "net2"]
    for method in ("generator", "ddls"):
        assert report["by_extractor"]["net1"]["methods"][method]["metrics"] == report["methods"][method]["metrics"]
        assert report["by_extractor"]["net2"]["methods"][method]["metrics"] != report["methods"][method]["metrics"]
        assert len(report["methods"][method]["digest"]) == 16
rows = {(row["method"], row["metric"]): row for row in csv.DictReader(open("both.csv", newline=""))}
for method in ("generator", "ddls"):
    values = [report["methods"][method]["metrics"]["kid"]["unbiased"] for report in reports]
    row = rows[method, "kid.unbiased"]
    assert row["runs"] == "2" and abs(float(row["mean"]) - statistics.mean(values)) < 1e-9 * abs(statistics.mean(values)), row
    assert abs(float(row["sd"]) - statistics.stdev(values)) < 1e-9 * statistics.stdev(values), row
assert rows["ddls", "frechet_distance"]["generator_pairs"] == "2" and rows["generator", "frechet_distance"]["generator_pairs"] == ""
PY
expect 65 1 compare own-1 own-2 --out refused.html --csv refused.csv
[[ ! -e refused.csv ]] || fail "a table of what does not compare"
