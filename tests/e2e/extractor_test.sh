# Feature networks as .pt2 archives: numbers of `evaluate` equal to those of the same network as TorchScript at any number of ranks, through
# tilts too, and as the frozen network before a ratio; DINOv2 and CLIP from weights under their public names; what is refused.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e:$DDLS_SOURCE_DIR/tools" python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }
"${python[@]}" "$here/make_extractors.py" >told 2>err || { cat err; fail "the archives"; }
for ending in "dinov2 dinov2.pth dinov2.pt2 --size 16" "clip clip.pth clip.pt2"; do
  # shellcheck disable=SC2086
  "${python[@]}" "$DDLS_SOURCE_DIR/tools/export_extractor.py" $ending --heads 2 --image-size 8x8 >>told 2>err || { cat err; fail "$ending"; }
done
grep -qF 'dinov2.pt2: features [n, 12], logits [n, 0], images of 8 x 8, resize torch-bicubic-antialias 16 x 16' told || { cat told; fail "DINOv2"; }
grep -qF 'clip.pt2: features [n, 6], logits [n, 0]' told || { cat told; fail "CLIP"; }

! "${python[@]}" "$DDLS_SOURCE_DIR/tools/export_extractor.py" torchvision mobilenet_v2 layer.pt --layer features.14 >out 2>err || fail "a layer as TorchScript"
grep -q 'layer.pt: a network that ends at --layer is written as .pt2 alone' err || { cat err; fail "why a layer is no TorchScript"; }

on 2 --config small.yaml --out run --set sample.count=200 --set 'sample.methods=[generator]' >out 2>err || { cat err; fail "the sets"; }
sets=(--fake run/samples/generator --real run/samples/real.npz --set evaluate.batch=16 --set evaluate.kid.subset_size=20 --set evaluate.kid.subsets=6)
for ranks in 1 2 3; do
  on "$ranks" evaluate "${sets[@]}" --extractor e.pt2 --metrics fid,is,kid,prdc --json "pt2-$ranks.json" >out 2>err || { cat err; fail "e.pt2, np $ranks"; }
done
on 2 evaluate "${sets[@]}" --extractor e.pt --metrics fid,is,kid,prdc --json pt.json >out 2>err || { cat err; fail "e.pt"; }
for name in dinov2 clip layers; do
  on 2 evaluate "${sets[@]}" --extractor $name.pt2 --metrics fid,is,cmmd --json $name.json >out 2>err || { cat err; fail "$name"; }
done
python3 - <<'PY' || fail "numbers of archives"
import json
def numbers(value):
    for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()):
        yield from numbers(item)
    if isinstance(value, float):
        yield value
read = lambda name: json.load(open(f"{name}.json"))
script = list(numbers(read("pt")["metrics"]))
for ranks in (1, 2, 3):
    archive = list(numbers(read(f"pt2-{ranks}")["metrics"]))
    assert len(archive) == len(script) > 8 and all(abs(a - b) <= 1e-5 * max(1, abs(b)) for a, b in zip(archive, script)), (archive, script)
assert read("pt2-1")["extractor"]["features"] == 10 and read("pt2-1")["extractor"]["sha256"] != read("pt")["extractor"]["sha256"]
for name in ("dinov2", "clip", "layers"):
    assert read(name)["metrics"]["frechet_distance"] > 0 and read(name)["metrics"]["inception_score"] is None, name
PY

# A tilt whose means are of an archive's features: as with the script, at any number of ranks.
tilt=(--config small.yaml --set train.calibration.method=tilt --set train.calibration.held_out=120 --set train.calibration.pool=600
  --set train.calibration.components=4 --set train.calibration.ess_floor=0.01 --set sample.allow_bad_energy=true --set sample.count=24
  --set sample.block_size=8 --set 'sample.methods=[generator,mala]' --set 'evaluate.metrics=[fid]' --set evaluate.batch=16)
latents() { (cd "$1" && sha256sum samples/*/samples.npz samples/*/latents.npz); }
for ranks in 1 2 3; do
  on "$ranks" "${tilt[@]}" --out "tilt$ranks" --set 'train.calibration.features=[pixels,e.pt2]' >out 2>err || { cat err; fail "tilt, np $ranks"; }
  latents "tilt$ranks" | cmp - <(latents tilt1) || fail "tilt: other bytes on $ranks ranks"
done
# And judged by another TorchScript network: the two want the executor in different modes (GraphsAs).
on 1 "${tilt[@]}" --out script --set 'train.calibration.features=[pixels,e.pt]' --set evaluate.extractor=judge.pt >out 2>err || { cat err; fail "tilt by TorchScript"; }
python3 -c 'import json; r = json.load(open("script/report.json")); assert r["methods"]["mala"]["metrics"]["frechet_distance"] > 0 and r["extractor"]["name"] == "judge", r' || fail "judge.pt did not judge"
cmp script/samples/generator/samples.npz tilt1/samples/generator/samples.npz || fail "another generator"
python3 - <<'PY' || fail "a tilt by an archive is not that by the script"
import json
runs = [json.load(open(f"{run}/report.json"))["calibration"] for run in ("tilt1", "script")]
a, b = (run["after"]["nats"] for run in runs)
assert abs(a - b) < 1e-3 * max(1, abs(b)), (a, b)
for run in runs:  # groups of 4 and 6 features: 4 components of each, their squares, products within each
    pixels, network = run["feature_kinds"]
    assert network["groups"] == [4, 4] and network["components"] == 8 and network["columns"] == 28 and "groups" not in pixels, run
PY
on 2 "${tilt[@]}" --out layers --set 'train.calibration.features=[layers.pt2]' --set train.calibration.products=3 >out 2>err ||
  { cat err; fail "a tilt by two layers of a network"; }
python3 -c 'import json; (k,) = json.load(open("layers/report.json"))["calibration"]["feature_kinds"]; assert k["groups"] == [4, 4] and k["columns"] == 22, k' ||
  fail "products across groups"
expect 65 2 "${tilt[@]}" --out bad --set 'train.calibration.features=[groups.pt2]'
says "'feature_groups' are no widths of groups of 10 features"
expect 65 2 "${tilt[@]}" --out bad --set 'train.calibration.features=[groups.pt]'
says 'feature_groups [4, 7] are no widths of groups of its 10 features'
expect 78 2 "${tilt[@]}" --out judged --set 'train.calibration.features=[e.pt2]' --set evaluate.extractor=e.pt2
says 'is also in train.calibration.features'
expect 65 2 "${tilt[@]}" --out bad --set 'train.calibration.features=[rounds.pt2]'
says 'no gradient passes through this network'
expect 65 2 "${tilt[@]}" --out bad --set 'train.calibration.features=[gradient.pt2]'
says "self-test: the gradients of program 'features_vjp' are off by"

refused() {  # CODE RANKS FILE TEXT
  expect "$1" "$2" evaluate "${sets[@]}" --extractor "$3"
  says "$4"
  ! grep -qE 'INTERNAL|Traceback|terminate' stderr || { cat stderr; fail "a trace of the interpreter: $3"; }
}
refused 66 2 none.pt2 'there is no such feature extractor'
refused 65 2 text.pt2 'no .pt2 archive; write it with tools/export_extractor.py'
refused 65 1 cut.pt2 'cut off'
refused 65 1 renamed.pt 'name it .pt2'
refused 65 2 off.pt2 "self-test: the features of program 'features' are off by"
refused 65 1 no_features.pt2 "it has no program 'features' (it has features_float, features_vjp)"
refused 65 1 no_description.pt2 'it has no ddls.json'
refused 65 1 channels.pt2 "'channels' is 2"
refused 65 1 classes.pt2 "'logits' is not 3 rows of 5 numbers"
refused 65 1 range.pt2 "'range' is not [0, 255]"
refused 78 2 cuda.pt2 "made for the device 'cuda'"
refused 65 2 large.pt2 '16 x 16'

# A ratio on the features of the archive: the same bytes on any number of ranks and after a stop; another file is refused.
features=(--config small.yaml --set model.ratio_architecture=features --set model.ratio_extractor=e.pt2 --set 'model.ratio_widths=[8]'
  --set train.ratio.steps=40 --set train.ratio.batch=16 --set sample.allow_bad_energy=true --set sample.count=24 --set sample.block_size=8
  --set 'sample.methods=[generator,mala]' --set 'evaluate.metrics=[fid]' --set evaluate.batch=16)
for ranks in 1 2 3; do
  on "$ranks" "${features[@]}" --out "head$ranks" >out 2>err || { cat err; fail "a ratio on features, np $ranks"; }
  latents "head$ranks" | cmp - <(latents head1) || fail "a ratio on features: other bytes on $ranks ranks"
done
rm -r head2/samples head2/checkpoints/ratio-*
on 2 "${features[@]}" --out head2 >out 2>err || { cat err; fail "a ratio fitted again"; }
latents head2 | cmp - <(latents head1) || fail "a ratio fitted again gives other bytes"
# Killed while the ratio is fitted, it goes on from there, in the units that were measured at its first start.
long=("${features[@]}" --set train.ratio.steps=400)
on 2 "${long[@]}" --out whole >out 2>err || { cat err; fail "the undisturbed ratio"; }
grep -q 'units of its features are measured' err || { cat err; fail "nobody measured the features"; }
mpirun -q -np 2 "$binary" "${long[@]}" --out cut >out 2>err &
launcher=$! rc=0
wait_for 100 exists 'cut/checkpoints/ratio-*'
kill_a_rank "$launcher"
wait "$launcher" || rc=$?
[[ $rc == 137 ]] || { cat err; fail "exit code $rc after SIGKILL"; }
on 2 "${long[@]}" --out cut >out 2>err || { cat err; fail "the start after the kill"; }
grep -q 'ratio: goes on from step' err || { cat err; fail "the ratio was complete before the kill"; }
! grep -q 'units of its features are measured' err || { cat err; fail "features were measured again"; }
latents cut | cmp - <(latents whole) || fail "a ratio that was killed gives other bytes"
cmp cut/checkpoints/ratio-00000400/ratio.safetensors whole/checkpoints/ratio-00000400/ratio.safetensors || fail "another ratio after the kill"
cp e.pt2 moved.pt2
on 2 "${features[@]}" --out head2 --set model.ratio_extractor=moved.pt2 >out 2>err || { cat err; fail "a file that was moved"; }
expect 78 2 sample "${features[@]}" --out head2 --set model.ratio_extractor=small.pt2
says 'another file than the one on whose features the ratio was fitted'
expect 78 2 "${features[@]}" --out judged --set evaluate.extractor=e.pt2
says 'is also model.ratio_extractor'
expect 78 1 "${features[@]}" --out bad --set model.ratio_extractor=
says 'features needs the network that makes them'
expect 78 1 --config small.yaml --out bad --set model.ratio_architecture=mlp
says 'model.ratio_architecture mlp takes points'
