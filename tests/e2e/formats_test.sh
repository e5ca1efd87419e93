#!/usr/bin/env bash
# docs/formats.md against what runs write: every key of every JSON file, both ways. And the commands of the documentation that
# are marked as run.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source_dir=${DDLS_SOURCE_DIR:-$here/../..}

metrics=$("$binary" evaluate --help | sed -n '/^Metrics/,/^[^ M]/s/^  \([a-z0-9_]*\) .*/\1/p' | paste -sd,)  # all that can be asked for

# The image job with every kernel that has a rate of its own, every metric, a calibration, snapshots and a cache.
on 2 --config small.yaml --out runs/images --set sample.methods=[generator,ddls,mala,hmc,ex2mcmc,tempering,elliptical_slice,smc,rejection,obrs,flow] --set sample.count=40 \
  --set sample.record_every=1 --set sample.diagnosed_chains=8 --set sample.ddls.steps=20 --set sample.hmc.steps=2 --set sample.hmc.warmup=2 \
  --set sample.ex2mcmc.steps=2 --set sample.ex2mcmc.warmup=2 --set sample.tempering.steps=2 --set sample.tempering.warmup=2 \
  --set sample.rejection.budget=4 --set sample.rejection.pilots=50 --set sample.obrs.steps=4 --set sample.obrs.pilots=50 --set sample.flow.steps=2 --set sample.flow.warmup=2 --set sample.flow.pilots=50 --set sample.elliptical_slice.steps=2 --set sample.smc.steps=3 --set sample.hmc.pilot_chains=8 --set sample.ex2mcmc.pilot_chains=8 --set sample.tempering.pilot_chains=8 \
  --set evaluate.metrics=[$metrics] --set evaluate.kid.subset_size=10 \
  --set evaluate.kid.subsets=2 --set evaluate.prdc.k=3 --set evaluate.ct.cells=1 --set evaluate.ct.least=2 --set evaluate.fld.steps=3 --set train.evaluate_every=12 --set train.evaluate_count=20 \
  --set train.calibration.method=platt --set train.calibration.held_out=20 >out 2>err || { cat err >&2; fail "the image job"; }

# Points: modes, and the other calibrations, on one GAN.
cat >points.yaml <<'YAML'
name: points
data: {kind: gaussians25, points: 800}
model: {generator_widths: [16], discriminator_widths: [16, 16]}
train: {steps: 30, batch: 16, log_every: 30, discriminator_steps: 4, discriminator: {lr: 2e-3}, calibration: {held_out: 200, pool: 1000}}
sample: {methods: [generator, mh_gan], count: 40, block_size: 40, mh_gan: {steps: 4}}
evaluate: {metrics: [fid]}
YAML
for method in isotonic head scale temperature; do
  mkdir -p "runs/$method"
  [[ $method == isotonic ]] || cp -r runs/isotonic/checkpoints "runs/$method"
  more=()
  [[ $method != scale ]] || more=(--set train.calibration.scale=0.5 --set train.calibration.held_out=5000 --resume never)
  on 1 --config points.yaml --out "runs/$method" --set train.calibration.method=$method "${more[@]}" >out 2>err || { cat err >&2; fail "$method"; }
done

# A tilt, by a file among its features (of another seed than the classifier that evaluates), and starts from a pool.
on 1 --config small.yaml --out runs/tilt --set seed=2 --set train.calibration.method=tilt --set train.calibration.held_out=60 \
  --set train.calibration.pool=300 --set train.calibration.components=3 --set train.calibration.ess_floor=0.01 \
  --set train.calibration.features=[pixels,runs/images/extractor/classifier.pt] --set sample.methods=[generator,mala] --set sample.mala.steps=2 \
  --set sample.mala.adapt=false --set sample.start_pool=40 --set sample.allow_bad_energy=true >out 2>err || { cat err >&2; fail "tilt"; }

# Networks from elsewhere, two sets, sets of which statistics are known, what a bench writes, what the program says of itself.
last=runs/images/checkpoints/refined-00000004
mkdir -p runs/{foreign,sets,statistics,info,bench-{sampler,sizes,training,data,evaluation,collectives}} pictures/{a,b}
on 1 sample --config small.yaml --generator $last/generator.safetensors --discriminator $last/ratio.safetensors --out runs/foreign \
  --set data.image_size=8 --set data.channels=1 --set sample.methods=[generator] --set sample.count=8 >/dev/null 2>err || { cat err >&2; fail "sample --generator"; }
for i in 1 2 3; do for class in a b; do python3 "$here/make_png.py" "pictures/$class/$i.png" 8 8; done; done
extractor=(--extractor runs/images/extractor/classifier.pt)
on 1 evaluate --fake pictures --real pictures "${extractor[@]}" --metrics fid,kid,intra_fid,authenticity --train pictures --json runs/sets/evaluate.json >/dev/null 2>err ||
  { cat err >&2; fail "evaluate"; }
# What is left out, for every reason, and what a set holds.
mkdir -p runs/{shards,inspect-{pictures/{pictures,shards},points,statistics}} pictures/a/.hidden shards/folder
touch pictures/a/{1.webp,.2.png,.note,notes.txt,more.zip}
mkfifo pictures/a/pipe
cp pictures/a/1.png shards
head -c 60 pictures/a/1.png >pictures/b/damaged.png
python3 - <<'PY'
import io, tarfile
with tarfile.open("shards/1.tar", "w") as t:
    for name in ("1.png", "2.png"):
        t.add(f"pictures/a/{name}", name)
        info = tarfile.TarInfo(name.replace("png", "cls"))
        info.size = 0  # no label
        t.addfile(info, io.BytesIO())
    link = tarfile.TarInfo("folder")
    link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
    t.addfile(link)
PY
for set in pictures shards; do on 1 inspect $set --json runs/inspect-pictures/$set/inspect.json >/dev/null 2>err || { cat err >&2; fail "inspect"; }; done
rm pictures/b/damaged.png
on 1 inspect runs/isotonic/samples/generator --json runs/inspect-points/inspect.json >/dev/null
on 1 evaluate --fake pictures --real shards "${extractor[@]}" --metrics fid --json runs/shards/evaluate.json >/dev/null 2>err ||
  { cat err >&2; fail "evaluate"; }
# By two networks, behind a resize; and what explains two results.
mkdir -p runs/{several,two,explain}
cp runs/images/extractor/classifier.pt a.pt
cp runs/tilt/extractor/classifier.pt b.pt
on 1 --config small.yaml --out runs/two --set sample.methods=[generator] --set sample.count=20 --set evaluate.extractor=[a.pt,b.pt] --set evaluate.metrics=[fid] \
  >/dev/null 2>err || { cat err >&2; fail "a run by two networks"; }
for part in "bicubic pictures more" "bicubic shards one" "box pictures two" "box shards three"; do
  read -r filter real name <<<"$part"
  on 1 evaluate --fake pictures --real $real --extractor a.pt --extractor b.pt --resize $filter --resize-to 8 --metrics fid --set evaluate.cache=kept-all \
    --set evaluate.keep_statistics=true --json $name.json >/dev/null 2>err || { cat err >&2; fail "evaluate by two networks"; }
done
cp more.json runs/several/evaluate.json
on 1 explain more.json three.json --cache kept-all --json runs/explain/explain.json >/dev/null 2>err || { cat err >&2; fail "explain"; }
known=$(echo runs/images/reference/*.npz)
on 1 evaluate --fake "$known" --real "$known" --metrics fid --json runs/statistics/evaluate.json >/dev/null 2>err || { cat err >&2; fail "statistics"; }
SLURM_NTASKS=4 "$binary" info --json runs/info/info.json >/dev/null 2>err || { cat err >&2; fail "info"; }
on 1 inspect "$known" --json runs/inspect-statistics/inspect.json >/dev/null
bench() { on "$1" bench "$2" --config small.yaml --rounds 1 --steps 1 --json "runs/bench-$3/bench.json" "${@:4}" >/dev/null 2>err || { cat err >&2; fail "bench $2"; }; }
bench 1 sampler sampler --profile
bench 1 sampler sizes --block-sizes 4,8
bench 2 training training
bench 1 data data
bench 1 evaluation evaluation
bench 2 collectives collectives

mkdir -p runs/energy
on 1 energy --config small.yaml --generator $last/generator.safetensors --discriminator $last/ratio.safetensors --set data.image_size=8 --set data.channels=1 --json runs/energy/energy.json >/dev/null 2>err || { cat err >&2; fail "energy"; }

# What these runs have no reason to write.
python3 "$source_dir/tests/docs/keys.py" "$source_dir/docs/formats.md" runs/* <<'KEYS' || fail "docs/formats.md and the files differ"
gan.spectral_norm_d
methods.*.metrics.intra_fid.why
data.skipped_images
report.json:classes
classes.model
classes.without_samples
class_names
fake.frechet_distance_of
reference.frechet_distance_of
fake.damaged
fake.pixels
reference.damaged
reference.pixels
methods.*.diagnosed.scalars.*.why
data.*.unlabelled_why
converted.*
energies.*.not_finite
pairs[].metrics.*.of_counts
methods.*.short_run
KEYS

# The commands of the documentation.
mkdir -p commands/bin
ln -s "$binary" commands/bin/ddls_dist
for folder in configs docs tools; do ln -s "$(realpath "$source_dir")/$folder" "commands/$folder"; done
python3 "$source_dir/tests/docs/docs_test.py" "$source_dir" --commands >commands/all.sh
grep -q ddls_dist commands/all.sh || fail "the documentation marks no command as run"
(cd commands && PATH=$PWD/bin:$PATH bash -euo pipefail all.sh >out 2>err) || { cat commands/err >&2; fail "a command of the documentation"; }
