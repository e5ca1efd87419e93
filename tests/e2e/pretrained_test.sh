# model.architecture pretrained: the one command on a generator that is given fits a ratio, calibrates, judges, samples, evaluates and
# reports; the same bytes on any number of ranks, after a kill, and stage by stage; what does not fit is refused before work starts.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e:$DDLS_SOURCE_DIR/tools" python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }
"${python[@]}" "$here/make_pretrained.py" >told 2>err || { cat err; fail "the archives"; }

cat >given.yaml <<'YAML'
name: given
data: {kind: idx, train: data/train-images.idx, train_labels: data/train-labels.idx.gz, test: data/test-images.idx.gz, test_labels: data/test-labels.idx}
model: {architecture: pretrained, generator: given.pt2, ratio_architecture: dcgan, ratio_widths: [8, 8], classifier_widths: [4, 8, 16]}
train:
  log_every: 4
  checkpoint_every: 4
  ratio: {steps: 12, batch: 16, instance_noise: 0.3, ema_decay: 0.9, refine: {steps: 4, batch: 8, chains: 16}}
  calibration: {method: tilt, held_out: 80, pool: 300, components: 4, ess_floor: 0.01}
  classifier: {steps: 8, batch: 16}
YAML
every_sampler 24 >>given.yaml
sed -i 's/^  count: 24/&\n  allow_bad_energy: true/' given.yaml
echo 'evaluate: {batch: 16, energy_draws: 300}' >>given.yaml

all_hashes() {
  (cd "$1" && sha256sum ./samples/*/samples.npz ./samples/*/latents.npz ./checkpoints/*/*.safetensors energies/tilt.npz)
}
for ranks in 1 2 3; do
  on "$ranks" --config given.yaml --out "run$ranks" >out 2>err || { cat err; fail "np $ranks"; }
  all_hashes "run$ranks" >"hashes$ranks"
  cmp hashes1 "hashes$ranks" || fail "other bytes on $ranks ranks"
done
grep -q 'generator_sha256' run1/checkpoints/calibrated-00000000/generator.safetensors || fail "no checksum in the checkpoint"
grep -q 'latent_dim: 6' run1/config.yaml || fail "the archive's latent size is not in the run's configuration"
[[ -s run1/report.html ]] || fail "no report"
! ls -d run1/checkpoints/step-* 2>/dev/null || fail "a GAN phase"

# Stage by stage, with another number of ranks each; on from its own config.yaml.
on 3 train --config given.yaml --out staged 2>err || { cat err; fail "train"; }
on 2 energy --config given.yaml --out staged >out 2>err || { cat err; fail "energy"; }
on 1 sample --config staged/config.yaml --out staged 2>err || { cat err; fail "sample"; }
on 2 evaluate --config given.yaml --out staged >out 2>err || { cat err; fail "evaluate"; }
all_hashes staged | cmp hashes1 - || fail "other bytes stage by stage"

# Killed while the ratio is fitted and while it is sampled.
longer=(--set train.ratio.steps=1200 --set train.checkpoint_every=20 --set sample.ddls.steps=150 --set 'sample.methods=[generator,ddls]' --set train.ratio.refine.steps=0)
on 2 --config given.yaml --out whole "${longer[@]}" >out 2>err || { cat err; fail "undisturbed"; }
all_hashes whole >whole.hashes
disturb() {  # SIGNAL PATTERN CODE
  mpirun -q -np 2 "$binary" --config given.yaml --out cut "${longer[@]}" >out 2>err &
  local launcher=$! rc=0 end=$((SECONDS + 60)) victim
  until compgen -G "$2" >/dev/null; do ((SECONDS < end)) || fail "waited too long for $2"; sleep 0.02; done
  if [[ $1 == KILL ]]; then
    victim=$(pgrep -P "$launcher" -x "$(basename "$binary")" | tail -1)
    kill -KILL "$victim"
  else
    kill "-$1" "$launcher"
  fi
  wait "$launcher" || rc=$?
  [[ $rc == "$3" ]] || { cat err; fail "exit code $rc after SIG$1"; }
}
disturb KILL 'cut/checkpoints/ratio-00000*' 137
disturb USR1 'cut/checkpoints/ratio-00000[4-7]*' 75
disturb KILL 'cut/samples/ddls/blocks/block-00000*.safetensors' 137
on 3 --config given.yaml --out cut "${longer[@]}" >out 2>err || { cat err; fail "the last start"; }
all_hashes cut | cmp whole.hashes - || fail "other bytes than the undisturbed run"

# The same file elsewhere goes on; another one is noticed.
cp given.pt2 moved.pt2
on 2 --config given.yaml --out run2 --set model.generator=moved.pt2 >out 2>err || { cat err; fail "a file that was moved"; }
all_hashes run2 | cmp hashes1 - || fail "a moved file gave other bytes"
expect 78 2 --config given.yaml --out run2 --set model.generator=other.pt2
says 'was made with another configuration'
expect 78 2 sample --config given.yaml --out run2 --set model.generator=other.pt2
says 'fitted to another generator than'

# Classes; a score that the archive brings, as it is and calibrated, for a prior that is not normal; TorchScript.
quick=(--set 'sample.methods=[generator,mala,pixel_langevin,isir]')
plain=("${quick[@]}" --set train.calibration.method=none --set train.ratio.refine.steps=0)
for ranks in 1 2; do
  on "$ranks" --config given.yaml --out "classes$ranks" --set model.generator=classes.pt2 --set model.ratio_architecture=sn_resnet "${quick[@]}" \
    >out 2>err || { cat err; fail "classes"; }
  on "$ranks" --config given.yaml --out "judged$ranks" --set model.generator=judged.pt2 "${quick[@]}" --set train.calibration.method=platt \
    --set train.ratio.steps=0 --set train.ratio.refine.steps=0 >out 2>err || { cat err; fail "its own score"; }
  on "$ranks" --config given.yaml --out "script$ranks" --set model.generator=given.pt --set model.latent_dim=6 "${plain[@]}" >out 2>err ||
    { cat err; fail "TorchScript"; }
done
for run in classes judged script; do
  (cd ${run}1/samples && sha256sum ./*/samples.npz ./*/latents.npz) >expected
  (cd ${run}2/samples && sha256sum ./*/samples.npz ./*/latents.npz) | cmp expected - || fail "$run: other bytes on 2 ranks"
done
cmp script1/samples/generator/latents.npz run1/samples/generator/latents.npz || fail "TorchScript starts from other latents"
on 1 sample --config given.yaml --out judged1 --set model.generator=judged.pt2 "${plain[@]}" --set train.ratio.steps=0 --resume never 2>err ||
  { cat err; fail "sample without a checkpoint"; }

refused() {  # CODE RANKS TEXT SETTINGS...
  local code=$1 ranks=$2 text=$3 settings=()
  shift 3
  for setting in "$@"; do settings+=(--set "$setting"); done
  expect "$code" "$ranks" --config given.yaml --out bad "${settings[@]}"
  says "$text"
  [[ ! -e bad/checkpoints ]] || fail "work had begun: $text"
}
refused 66 2 'no such file' model.generator=none.pt2
refused 65 2 'no .pt2 archive' model.generator=text.pt2
refused 65 2 "it has no program 'decode_vjp'" model.generator=no_vjp.pt2
refused 65 2 "self-test: the gradients of program 'decode_vjp' are off by" model.generator=pullback.pt2
refused 65 1 "it has no 'log_ratio'" model.generator=no_test.pt2
refused 65 2 'it makes samples [1, 16, 16], but those of' model.generator=large.pt2
refused 65 2 'model.latent_dim is 7, but the archive says 6' model.latent_dim=7
refused 65 2 'model.classes is 4, but the archive says 0' model.classes=4
refused 78 2 'model.classes is 3, but' model.generator=three_classes.pt2 model.ratio_architecture=sn_resnet
refused 65 2 'it has 4 classes, but' model.generator=classes.pt2 data.train_labels= data.test_labels= evaluate.extractor=none.pt
refused 78 2 'model.classes: only for sn_resnet, biggan and mlp_cgan' model.generator=classes.pt2
refused 78 2 'model.ratio_architecture: biggan is conditional, but there are no classes' model.ratio_architecture=biggan
refused 78 2 'train.ratio.steps is 0, but' train.ratio.steps=0 train.ratio.refine.steps=0
refused 78 2 'train.steps: belongs to networks that are trained here' train.steps=5
refused 78 1 'pretrained needs its file' model.generator=
refused 78 1 'model.generator: ' model.architecture=dcgan model.latent_dim=6
expect 65 2 sample --generator given.pt2 --out bad
says 'it has a generator alone'
expect 64 1 sample --generator given.pt2 --config given.yaml --out bad
says 'leave --generator out'
