# What the end-to-end tests share. A test is called as: bash NAME_test.sh BINARY SCRATCH-FOLDER
set -euo pipefail
binary=$1
scratch=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
python3 "$here/make_images.py" "$scratch/data"

fail() { echo "FAILED: $*" >&2; exit 1; }

# on N ARGUMENTS...: the program on N ranks.
on() {
  local ranks=$1
  shift
  mpirun -q -np "$ranks" "$binary" "$@"
}

# every_sampler COUNT: section sample of a configuration that runs all of them in a few seconds.
methods=generator,ddls,mala,hmc,underdamped,ex2mcmc,tempering,drs,mh_gan,rep_gan,dot,dgflow,truncation,pixel_langevin,pcn,elliptical_slice,smc,rejection,obrs,isir,flow,sir
every_sampler() {
  cat <<YAML
sample:
  methods: [$methods]
  count: $1
  block_size: 8
  checkpoint_every: 2
  ddls: {steps: 5}
  mala: {steps: 4, warmup: 3, pilot_chains: 16}
  hmc: {steps: 3, warmup: 2, pilot_chains: 16, leapfrog_steps: 2}
  underdamped: {steps: 4}
  ex2mcmc: {steps: 2, proposals: 3, warmup: 2, pilot_chains: 16}
  tempering: {steps: 3, warmup: 2, pilot_chains: 16}
  drs: {steps: 4, pilots: 50}
  mh_gan: {steps: 4}
  rep_gan: {steps: 4}
  dot: {steps: 3}
  dgflow: {steps: 3}
  pixel_langevin: {steps: 3}
  pcn: {steps: 4, warmup: 3, pilot_chains: 16}
  elliptical_slice: {steps: 3}
  smc: {steps: 4}
  rejection: {budget: 4, pilots: 50}
  obrs: {steps: 4, proposals: 2, pilots: 50}
  isir: {steps: 2, proposals: 3, pool: 60}
  flow: {steps: 2, proposals: 3, warmup: 3, batch: 80, width: 8, couplings: 2, pilots: 50}
  sir: {pool: 60}
YAML
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    ((SECONDS < end)) || fail "waited too long for: $*"
    sleep 0.02
  done
}
exists() { compgen -G "$1" >/dev/null; }
# kill_a_rank PID: SIGKILL to a rank of this mpirun.
kill_a_rank() {
  wait_for 10 pgrep -P "$1" -x "$(basename "$binary")" >/dev/null
  kill -KILL "$(pgrep -P "$1" -x "$(basename "$binary")" | tail -1)"
}

# in_time START LIMIT RANKS WHAT: what began at START ended within LIMIT seconds. On a machine that is busy with other work, the
# program alone needs seconds to start: then the limit counts from there.
in_time() {
  local seconds=$((SECONDS - $1)) limit=$2 start=$SECONDS
  ((seconds > limit)) || return 0
  on "$3" info >/dev/null 2>&1 || true
  ((seconds <= limit + 2 * (SECONDS - start))) || fail "$4 took $seconds s, starting the program $((SECONDS - start))"
}

# expect CODE N ARGUMENTS...: the exit code, within 10 seconds; stderr is left in ./stderr.
expect() {
  local code=$1 ranks=$2 rc=0 start=$SECONDS
  shift 2
  timeout 60 mpirun -q -np "$ranks" "$binary" "$@" >stdout 2>stderr || rc=$?
  [[ $rc == "$code" ]] || { cat stderr >&2; fail "exit code $rc, not $code: np $ranks $*"; }
  in_time "$start" "${limit_s:-10}" "$ranks" "np $ranks $*"
}

# says TEXT: stderr holds it, once.
says() {
  local count
  count=$(grep -cF -- "$1" stderr || true)
  [[ $count == 1 ]] || { cat stderr >&2; fail "'$1' is said $count times, not once"; }
}

# The image job at small size.
cat >small.yaml <<YAML
name: small
data: {kind: idx, train: data/train-images.idx, train_labels: data/train-labels.idx.gz, test: data/test-images.idx.gz, test_labels: data/test-labels.idx}
model: {architecture: dcgan, latent_dim: 6, generator_widths: [8, 8], discriminator_widths: [8, 8], ratio_widths: [8, 8], ratio_hidden: 8, classifier_widths: [4, 8, 16]}
train:
  steps: 12
  batch: 16
  log_every: 4
  checkpoint_every: 4
  r1_weight: 0.1
  ema_decay: 0.9
  grid_every: 6
  ratio: {steps: 8, batch: 16, instance_noise: 0.5, refine: {steps: 4, batch: 8, chains: 16}}
  classifier: {steps: 8, batch: 16}
sample:
  methods: [generator, ddls, mala]
  count: 50
  block_size: 8
  record_every: 2
  snapshot_every: 3
  trajectories: 10
  ddls: {steps: 6, step_size: 0.05}
  mala: {steps: 6, step_sizes: [0.05], adapt: true, warmup: 5}
evaluate: {batch: 16, neighbours: {samples: 3}}
YAML

# hashes RUN: of all that must be the same bytes. What an evaluation added to the curves is equal to rounding only.
hashes() {
  (
    cd "$1/samples"
    sha256sum ./*/samples.npz ./*/latents.npz ./*/snapshots/*.npz
    for curves in ./*/chains.jsonl; do echo "$(sed -e 's/,"metrics":.*$/}/' -e '/^{"step":[0-9]*}$/d' "$curves" | sha256sum) $curves"; done
  )
}
