#!/usr/bin/env bash
# What an energy is worth: the same bytes at 1, 2 and 3 ranks, kept and used again, in the report; exact kernels refuse an energy
# that harms.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >points.yaml <<'YAML'
name: points
data: {kind: gaussians25, points: 2000}
model: {generator_widths: [16], discriminator_widths: [16, 16], ratio_widths: [16, 16]}
train: {steps: 40, batch: 16, ratio: {steps: 60, batch: 64}}
sample: {methods: [generator, ddls, mala], count: 50, block_size: 8, ddls: {steps: 10}, mala: {steps: 5, warmup: 5}}
evaluate: {metrics: [fid, prdc]}
YAML
for ranks in 1 2 3; do
  on "$ranks" --config points.yaml --out "np$ranks" >out 2>err || { cat err >&2; fail "np $ranks"; }
  sha256sum <"np$ranks/energies/ratio.json" >"$ranks.hash"
  sha256sum <"np$ranks/energies/ratio.npz" >>"$ranks.hash"
  cmp 1.hash "$ranks.hash" || fail "np $ranks gives other log-ratios than np 1"
done
grep -q '^energy ratio: .* nats gained, ESS .* of 1000 prior draws' out || { cat out >&2; fail "the terminal does not say what the energy is worth"; }
python3 - <<'PY' || fail "the report of the energy"
import io, json, math, struct, zipfile
def array(name):
    raw = zipfile.ZipFile("np1/energies/ratio.npz").read(name + ".npy")
    n = (len(raw) - 10 - struct.unpack("<H", raw[8:10])[0]) // 8
    return struct.unpack(f"<{n}d", raw[-8 * n:])
pool, real = array("log_ratio"), array("real_log_ratio")
reports = [json.load(open(f"np{ranks}/report.json"))["energies"] for ranks in (1, 2, 3)]
e = reports[0]["ratio"]
assert list(reports[0]) == ["ratio"] and e["draws"] == len(pool) == 1000 and e["reals"] == {"name": "25 Gaussians", "count": len(real), "seen_in_training": False}, e
w = [math.exp(r) for r in pool]
log_z = math.log(sum(w) / len(w))
assert abs(e["log_z"] - log_z) < 1e-9 and abs(e["ess"] - sum(w) ** 2 / sum(x * x for x in w)) < 1e-6 * e["ess"], e
assert abs(e["nats"] - (sum(real) / len(real) - log_z)) < 1e-9 and e["nats_low"] < e["nats"] < e["nats_high"], e
m = e["metrics"]
assert m["frechet_distance"] > 0 and m["frechet_distance_at_count"] > 0 and 0 <= m["precision"] <= 1 and m["resampled"] == 50, m
for other in reports[1:]:
    for key, value in m.items():
        assert abs(other["ratio"]["metrics"][key] - value) <= 1e-9 * abs(value), (key, value, other)
PY

# Kept: another start does not draw again, other networks do; evaluation alone comes to the same.
cp np1/report.json once.json
on 1 sample --config points.yaml --out np1 >out 2>err || { cat err >&2; fail "sample"; }
! grep -q 'energy 1000/1000' err || fail "the energy was judged again"
rm np1/report.json
on 2 evaluate --config points.yaml --out np1 >out 2>err || { cat err >&2; fail "evaluate"; }
python3 - <<'PY' || fail "evaluate alone comes to another energy"
import json
a, b = (json.load(open(f))["energies"]["ratio"] for f in ("once.json", "np1/report.json"))
assert abs(a["metrics"]["frechet_distance"] - b["metrics"]["frechet_distance"]) < 1e-9 * a["metrics"]["frechet_distance"], (a, b)
PY

# The command: from the folder, of networks alone, with reals, anew.
energy() { on "$1" energy "${@:2}" --json energy.json >out 2>err || { cat err >&2; fail "energy ${*:2}"; }; }
energy 1 np1
cp energy.json folder.json
networks=(--config points.yaml --generator np1/checkpoints/ratio-00000060/generator.safetensors --discriminator np1/checkpoints/ratio-00000060/ratio.safetensors)
energy 1 "${networks[@]}"
cp energy.json alone.json
for ranks in 1 3; do
  energy $ranks "${networks[@]}" --real np1/samples/real.npz
  cp energy.json "real$ranks.json"
done
python3 - <<'PY' || fail "the command tells other numbers"
import json
folder, alone, real, real3 = (json.load(open(f"{name}.json"))["energies"] for name in ("folder", "alone", "real1", "real3"))
report = json.load(open("np1/report.json"))["energies"]["ratio"]
assert folder["ratio"] == report
alone, real, real3 = alone["discriminator"], real["discriminator"], real3["discriminator"]
assert alone["nats"] is None and "no reals" in alone["nats_why"] and alone["log_z"] == report["log_z"], alone
assert real["ess"] == report["ess"] and real["nats_low"] < real["nats"] < real["nats_high"], real
ours, theirs = real.pop("metrics"), real3.pop("metrics")
assert ours["frechet_distance"] > 0 and abs(theirs["frechet_distance"] / ours["frechet_distance"] - 1) < 1e-9, (ours, theirs)
assert real == real3, (real, real3)
PY
on 2 energy --config points.yaml --out np1 >out 2>err || { cat err >&2; fail "energy of a run"; }
python3 - <<'PY' || fail "judged anew it is another"
import json
anew, report = json.load(open("out"))["energies"]["ratio"], json.load(open("np1/report.json"))["energies"]["ratio"]
assert anew["nats"] == report["nats"] and abs(anew["metrics"]["frechet_distance"] / report["metrics"]["frechet_distance"] - 1) < 1e-9
PY
mkdir -p nothing
expect 66 2 energy nothing
says "says nothing of an energy"
expect 64 1 energy np1 --config points.yaml
says "give one of them"

# Forty times too steep: worse than the generator.
bad=(--config points.yaml --set train.calibration.method=scale --set train.calibration.scale=40)
rm -r np2/samples
expect 78 2 sample "${bad[@]}" --out np2
says "sample.methods: mala would sample p0 e^r of the energy 'scale', which is worth -"
says "sample.allow_bad_energy=true"
[[ ! -e np2/samples/generator ]] || fail "it sampled"
grep -qE 'train.calibration.scale=[0-9.e-]+ gains|no multiple of it gains' stderr || { cat stderr >&2; fail "no cure is named"; }
on 2 sample "${bad[@]}" --out np2 --set sample.methods=[generator,ddls] >out 2>err || { cat err >&2; fail "an unadjusted kernel on a bad energy"; }
grep -q "warning: energy scale: -.* farther from the data than the generator" err || { cat err >&2; fail "no word of a bad energy"; }
on 2 sample "${bad[@]}" --out np2 --set sample.allow_bad_energy=true >out 2>err || { cat err >&2; fail "allow_bad_energy"; }
on 2 evaluate "${bad[@]}" --out np2 --set sample.allow_bad_energy=true >out 2>err || { cat err >&2; fail "evaluate a bad energy"; }
grep -q '^DDLS (short run, not p0 e^r) ' out || { cat out >&2; fail "a run on an energy that harms is not called a short run"; }
python3 -c 'import json; m = json.load(open("np2/report.json"))["methods"]; assert m["ddls"]["short_run"] and "short_run" not in m["mala"], m' || fail "short_run"
grep -q "short run, not p0 e^r" np2/report.html || fail "the page does not say so"
on 1 "${bad[@]}" --set sample.allow_bad_energy=true --set evaluate.energy_draws=0 --out unjudged --set train.steps=2 --set train.ratio.steps=2 >out 2>err || { cat err >&2; fail "no draws"; }
[[ ! -e unjudged/energies ]] || fail "energy_draws 0 draws"
grep -q '"energies"' unjudged/report.json && fail "energy_draws 0 reports an energy"
true
