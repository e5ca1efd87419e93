# The whole image job at 1, 2, 3 and 4 ranks: the same bytes, and a report that holds what docs/formats.md promises.
source "$(dirname "$0")/lib.sh"

for ranks in 1 2 3 4; do
  on "$ranks" --config small.yaml --out "np$ranks" >"np$ranks.out" 2>"np$ranks.err" || { cat "np$ranks.err" >&2; fail "np $ranks"; }
  hashes "np$ranks" >"np$ranks.hashes"
  cmp "np1.hashes" "np$ranks.hashes" || fail "np $ranks gives other bytes than np 1"
done
[[ $(wc -l <np1.hashes) -ge 13 ]] || fail "too few files were compared"
for ranks in 2 3 4; do
  cmp np1/samples/ddls/neighbours.npz "np$ranks/samples/ddls/neighbours.npz" || fail "np $ranks finds other training images"
done

python3 - <<'PY' || fail "the run folder is not as promised"
import json, os, zipfile
r = json.load(open("np3/report.json"))
assert r["schema"] == 1 and r["ranks"] == 3 and r["device"] == "cpu" and r["name"] == "small", r
assert set(r["seconds"]) >= {"train", "sample", "evaluate"}
for method in ("generator", "ddls", "mala"):
    m = r["methods"][method]
    assert m["count"] == 50 and m["metrics"]["frechet_distance"] > 0, m
    assert m["metrics"]["inception_score"]["mean"] >= 1, m
assert r["methods"]["ddls"]["steps"] == 6 and r["methods"]["ddls"]["temperature"] == 1
assert 0 < r["methods"]["mala"]["acceptance"] <= 1
curve = r["methods"]["ddls"]["curve"]
assert [p["step"] for p in curve] == [0, 3, 6]
lines = [json.loads(line) for line in open("np3/samples/ddls/chains.jsonl")]
assert [line["step"] for line in lines] == [0, 2, 3, 4, 6], lines
for point in curve:  # the same numbers beside the chains' own, and in the log
    found = next(line for line in lines if line["step"] == point["step"])["metrics"]
    assert found["frechet_distance"] == point["frechet_distance"] and found["inception_score"] == point["inception_score"], found
log = [json.loads(line) for line in open("np3/metrics.jsonl")]
assert [line["frechet_distance"] for line in log if line["phase"] == "evaluate/ddls"] == [p["frechet_distance"] for p in curve]
assert [line["energy"] for line in log if line["phase"] == "sample/ddls"] == [line["energy"] for line in lines if "energy" in line]
assert len(r["extractor"]["sha256"]) == 64
one = json.load(open("np1/report.json"))
for method in r["methods"]:
    a, b = one["methods"][method]["metrics"], r["methods"][method]["metrics"]
    assert abs(a["frechet_distance"] - b["frechet_distance"]) <= 1e-6 * a["frechet_distance"], (a, b)
for path in ("config.yaml", "run.json", "metrics.jsonl", "report.html", "samples/ddls/grid.png", "samples/ddls/trajectory.png",
             "samples/ddls/manifest.json", "samples/ddls/neighbours.png", "checkpoints/refined-00000004/manifest.json", "extractor/classifier.pt"):
    assert os.path.getsize("np3/" + path) > 0, path
assert not [f for f in os.listdir("np3/samples/ddls") if f == "blocks"]
assert zipfile.ZipFile("np3/samples/ddls/samples.npz").namelist() == ["arr_0.npy"]
PY

# Sampling alone, from the finished checkpoint, on another number of ranks: the same bytes again.
rm -r np2/samples
on 3 sample --config small.yaml --out np2 >out 2>err || { cat err >&2; fail "sample"; }
hashes np2 >again.hashes
cmp np1.hashes again.hashes || fail "sampling alone gives other bytes"
for picture in generator/grid.png ddls/grid.png ddls/trajectory.png pairs.png; do
  [[ -s np2/samples/$picture ]] || fail "sampling alone draws no $picture"
done
python3 -c 'import json; r = json.load(open("np2/run.json")); assert [(s["command"], s["ranks"]) for s in r["starts"]] == [("pipeline", 2), ("sample", 3)], r' ||
  fail "run.json does not tell of both starts"

# So are the diagnostics: all of the manifest but the times.
for ranks in 1 3; do
  on "$ranks" sample --config small.yaml --out np2 --set sample.methods=[ddls] --set sample.ddls.steps=20 --set sample.record_every=1 \
    >out 2>err || { cat err >&2; fail "chains with diagnostics"; }
  grep -vE '"(warmup_)?seconds"' np2/samples/ddls/manifest.json >"manifest.np$ranks"
  rm -r np2/samples
done
cmp manifest.np1 manifest.np3 || fail "diagnostics depend on the number of ranks"
grep -q '"tail_ess_per_chain": [0-9]' manifest.np1 || fail "there are no diagnostics"

# In bfloat16 too, and these are other chains; their samples are as finely decoded.
for ranks in 1 3; do
  on "$ranks" sample --config small.yaml --out np2 --set sample.methods=[ddls,mala] --set sample.precision=bfloat16 \
    >out 2>err || { cat err >&2; fail "chains in bfloat16"; }
  (cd np2/samples && sha256sum ./*/samples.npz ./*/latents.npz ./*/chains.jsonl) >"bfloat16.np$ranks"
  rm -r np2/samples
done
cmp bfloat16.np1 bfloat16.np3 || fail "in bfloat16 the bytes depend on the number of ranks"
! grep -F -f <(grep -o '^[0-9a-f]*' bfloat16.np1) np1.hashes || fail "bfloat16 made no difference"

# A run without a fitted ratio samples from its last step, whose checkpoint holds the generator as it was measured by two
# ranks; and from an earlier one, which is measured when it is read.
plain=(--config small.yaml --out plain --set train.ratio.steps=0 --set train.ratio.refine.steps=0 --set sample.methods=[ddls])
on 2 "${plain[@]}" >out 2>err || { cat err >&2; fail "a run without a fitted ratio"; }
[[ -s plain/checkpoints/step-00000012/measured_generator.safetensors ]] || fail "the last checkpoint has no measured generator"
[[ ! -e plain/checkpoints/step-00000008/measured_generator.safetensors ]] || fail "an earlier checkpoint was measured"
hashes plain >plain.hashes
rm -r plain/samples
on 3 sample "${plain[@]}" >out 2>err || { cat err >&2; fail "sampling without a fitted ratio"; }
hashes plain | cmp plain.hashes - || fail "sampling alone gives other bytes than the run"
for ranks in 1 3; do
  rm -r plain/samples
  on "$ranks" sample "${plain[@]}" --checkpoint plain/checkpoints/step-00000008 >out 2>err || { cat err >&2; fail "an earlier step"; }
  hashes plain >"earlier.np$ranks"
done
cmp earlier.np1 earlier.np3 || fail "samples of an earlier step depend on the number of ranks"
cmp -s plain.hashes earlier.np1 && fail "an earlier step gives the same samples"

# In parts, by jobs with other numbers of ranks, two of them at the same time; one part is left to the job that puts them together.
rm np2/run.json
on 2 sample --config small.yaml --out np2 --shard 2/4 >out2 2>err2 &
part=$!
on 1 sample --config small.yaml --out np2 --shard 0/4 >out 2>err || { cat err >&2; fail "sample --shard 0/4"; }
wait "$part" || { cat err2 >&2; fail "sample --shard 2/4"; }
on 1 sample --config small.yaml --out np2 --shard 1/4 >out 2>err || { cat err >&2; fail "sample --shard 1/4"; }
[[ $(find np2/samples/ddls/blocks -name 'block-*' | wc -l) == 5 ]] || fail "three of four parts are not five of seven blocks"
[[ ! -e np2/run.json && ! -e np2/samples/ddls/samples.npz ]] || fail "a part wrote what belongs to the run"
on 2 sample --config small.yaml --out np2 >out 2>err || { cat err >&2; fail "putting the parts together"; }
hashes np2 >parts.hashes
cmp np1.hashes parts.hashes || fail "sampling in parts gives other bytes"
[[ -e np2/run.json && ! -e np2/samples/ddls/blocks ]] || fail "the parts were not put together"
for shard in 4/4 -1/4 1 1/ a/b 1/0; do
  expect 64 1 sample --config small.yaml --out np2 --shard="$shard"
  says "--shard $shard"
done
expect 64 2 sample --config small.yaml --out np2 --shard 0/2 --resume never
says '--resume never'
