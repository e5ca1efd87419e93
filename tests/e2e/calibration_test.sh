# Hinge scores made log-ratios: the same bytes at 1, 2 and 3 ranks for every way to calibrate, and sampling alone uses what the run
# stored.
source "$(dirname "$0")/lib.sh"

cat >hinge.yaml <<'YAML'
name: hinge
data: {kind: gaussians25, points: 1200}
model: {generator_widths: [16], discriminator_widths: [16, 16]}
train: {steps: 40, batch: 16, discriminator_steps: 4, loss: hinge, checkpoint_every: 100, discriminator: {lr: 2e-3}, calibration: {method: platt, held_out: 200, pool: 2000, components: 4}}
sample: {methods: [generator, ddls, mh_gan], count: 40, block_size: 8, snapshot_every: 5, ddls: {steps: 10}, mh_gan: {steps: 5}}
evaluate: {metrics: [fid]}
YAML
for method in platt isotonic head temperature tilt; do
  for ranks in 1 2 3; do  # the GAN of the first method serves the others
    on "$ranks" --config hinge.yaml --out "np$ranks" --set train.calibration.method=$method >out 2>err || { cat err >&2; fail "$method, np $ranks"; }
    hashes "np$ranks" >"$method-$ranks.hashes"
    cmp "$method-1.hashes" "$method-$ranks.hashes" || fail "$method: np $ranks gives other bytes than np 1"
  done
  cp np2/report.json "$method.json"
  rm -r np2/samples
  on 3 sample --config hinge.yaml --out np2 --set train.calibration.method=$method >out 2>err || { cat err >&2; fail "sample, $method"; }
  hashes np2 | cmp "$method-1.hashes" - || fail "$method: sampling alone gives other bytes"
done
cmp -s platt-1.hashes isotonic-1.hashes && fail "platt and isotonic give the same samples"
[[ $(ls np1/checkpoints | grep -c '^step-') == 1 ]] || fail "the GAN was trained more than once"

python3 - <<'PY' || fail "the report of the calibrations"
import json
for method in ("platt", "isotonic", "head"):
    c = json.load(open(f"{method}.json"))["calibration"]
    assert c["method"] == method and c["reals"] == c["fakes"] == {"fitted_on": 100, "reported_on": 100}, c
    assert c["after"]["cross_entropy"] < c["before"]["cross_entropy"] and abs(c["after"]["z"]) < 5, c
assert json.load(open("platt.json"))["calibration"]["alpha"] > 0
for method in ("temperature", "tilt"):
    c = json.load(open(f"{method}.json"))["calibration"]
    assert c["method"] == method and c["reals"] == {"fitted_on": 150, "reported_on": 50} and c["fakes"] == {"fitted_on": 1500, "reported_on": 500}, c
    assert c["after"]["nats"] > 0 and c["after"]["nats"] > c["before"]["nats"] and c["after"]["ess"] > 0.05, c
features = json.load(open("tilt.json"))["calibration"]["feature_kinds"]
assert [f["name"] for f in features] == ["waves", "clusters"] and all(f["components"] == 4 for f in features), features
PY

# What does not fit together is refused.
expect 78 2 sample --config hinge.yaml --out np2
says "its calibration is 'tilt', train.calibration.method is 'platt'"
expect 78 2 --config hinge.yaml --set train.calibration.method=none
says 'a hinge score is no log-ratio'
expect 78 2 --config hinge.yaml --set train.calibration.held_out=1200
says '1200 of the 1200 samples'

# Corollary 2: chains of (z, z'), samples with their noise, a ratio that met it, calibrated besides.
for ranks in 1 3; do
  on "$ranks" --config hinge.yaml --out "noised$ranks" --set train.ratio.steps=300 --set train.ratio.batch=64 --set train.ratio.output_noise=0.1 --set model.ratio_widths=[16] >out 2>err || { cat err >&2; fail "output noise, np $ranks"; }
  hashes "noised$ranks" >"noised-$ranks.hashes"
done
cmp noised-1.hashes noised-3.hashes || fail "output noise: np 3 gives other bytes than np 1"
python3 - <<'PY' || fail "latents are not (z, z')"
import zipfile
data = zipfile.ZipFile("noised1/samples/ddls/latents.npz").read("arr_0.npy")
assert b"(40, 4)" in data[:128], data[:128]
PY
expect 78 1 --config hinge.yaml --set train.ratio.output_noise=0.1
says 'needs a ratio fitted against noised samples'

# The raw score, by name.
on 2 --config hinge.yaml --out scaled --set train.calibration.method=scale --set train.calibration.scale=0.5 >out 2>err || { cat err >&2; fail "scale"; }
grep -q '"scale": 0.5' scaled/report.json || fail "the report does not hold the scale"

# A tilt of images by every kind of features: equal bytes at 1, 2 and 3 ranks, sampling alone, and the network that judges is refused.
on 1 --config small.yaml --out plain --set seed=3 --set sample.methods=[generator] >out 2>err || { cat err >&2; fail "a run for its classifier"; }
cp plain/extractor/classifier.pt network.pt
tilt="--config small.yaml --set train.calibration.method=tilt --set train.calibration.held_out=60 --set train.calibration.pool=300 --set train.calibration.components=4 --set train.calibration.ess_floor=0.01 --set sample.methods=[generator,ddls,mala,isir] --set sample.isir.steps=4 --set sample.mala.steps=4 --set sample.mala.warmup=4 --set sample.mala.pilot_chains=8 --set sample.start_pool=100"
features="--set train.calibration.features=[pixels,convolutions,classifier,network.pt]"
for ranks in 1 2 3; do
  on "$ranks" $tilt $features --out "tilt$ranks" >out 2>err || { cat err >&2; fail "tilt, np $ranks"; }
  hashes "tilt$ranks" >"tilt-$ranks.hashes"
  cmp tilt-1.hashes "tilt-$ranks.hashes" || fail "a tilt of images: np $ranks gives other bytes than np 1"
done
# A floor that holds where the ridge is chosen may not hold on the draws that come last: then a warning says so, and only then.
for floor in 0.01 0.3 0.7; do
  on 1 train $tilt $features --out floor --set train.calibration.ess_floor=$floor >out 2>err || { cat err >&2; fail "a floor of $floor"; }
  python3 - "$floor" <<'PY' || { cat err >&2; fail "the warning at a floor of $floor"; }
import glob, json, sys
(state,) = glob.glob("floor/checkpoints/calibrated-*/state.json")
text = open(state).read()
ess = json.loads(text)["calibration"]["after"]["ess"]
print(sys.argv[1], ess)
assert ("of prior draws that no fit saw" in open("err").read()) == (ess < float(sys.argv[1])), ess
PY
done >floors
rm -r tilt2/samples
on 3 sample $tilt $features --out tilt2 >out 2>err || { cat err >&2; fail "sample, tilt"; }
hashes tilt2 | cmp tilt-1.hashes - || fail "a tilt of images: sampling alone gives other bytes"
python3 - <<'PY' || fail "the record of the tilt"
import json
c = json.load(open("tilt1/report.json"))["calibration"]
assert [f["name"].split("/")[-1] for f in c["feature_kinds"]] == ["pixels", "convolutions", "classifier", "network.pt"], c
assert len(c["feature_kinds"][3]["sha256"]) == 64 and c["ridge"] > 0 and any(t["ridge"] == c["ridge"] for t in c["tried"]), c
page = open("tilt1/report.html").read()
assert "4 components of pixels and their squares," in page and "network.pt, their squares and 6 products of pairs." in page
PY
expect 78 2 $tilt $features --out judged --set evaluate.extractor=network.pt
says 'is also in train.calibration.features'
expect 78 1 --config small.yaml --set train.calibration.features=[pixel]
says "did you mean 'pixels'?"
expect 78 2 $tilt --out few --set train.calibration.held_out=20
says 'train.calibration.held_out: 20 are too few for method tilt, which needs 40 at least'
[[ ! -e few/checkpoints ]] || fail "too few held-out reals came to light after training"
expect 66 2 $tilt --out missing --set train.calibration.features=[nothing.pt]
says 'nothing.pt'
on 1 --config small.yaml --out other --set seed=2 --set sample.methods=[generator] >out 2>err || { cat err >&2; fail "another run for its classifier"; }
cp other/extractor/classifier.pt network.pt
rm -r tilt3/samples
expect 65 2 sample $tilt $features --out tilt3
says 'another file than that whose features the energy was fitted to'
