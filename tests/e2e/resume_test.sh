# A run that is killed (SIGKILL of one rank) or asked to stop (SIGUSR1) again and again, and started again, ends with the bytes
# of an undisturbed one.
source "$(dirname "$0")/lib.sh"

# Long enough to be hit in every stage.
sed -i 's/steps: 12$/steps: 60/; s/checkpoint_every: 4/checkpoint_every: 7/; s/count: 50/count: 200/; s/ratio: {steps: 8/ratio: {steps: 60/; s/ddls: {steps: 6/ddls: {steps: 150/' small.yaml
on 2 --config small.yaml --out whole >out 2>err || { cat err >&2; fail "undisturbed run"; }
hashes whole >whole.hashes

settings=()
# disturb SIGNAL PATTERN EXPECTED...: starts the run, sends SIGNAL when a file matching PATTERN is there, checks the end.
disturb() {
  local signal=$1 pattern=$2 rc=0 start
  shift 2
  mpirun -q -np 2 "$binary" --config small.yaml --out cut "${settings[@]}" >out 2>err &
  local launcher=$!
  wait_for 60 exists "$pattern"
  start=$SECONDS
  if [[ $signal == KILL ]]; then
    kill_a_rank "$launcher"
  else
    kill "-$signal" "$launcher"
  fi
  wait "$launcher" || rc=$?
  in_time "$start" 10 2 "the end after SIG$signal"
  [[ " $* " == *" $rc "* ]] || { cat err >&2; fail "exit code $rc after SIG$signal, not one of: $*"; }
}

disturb KILL 'cut/checkpoints/step-00000007' 137
disturb USR1 'cut/checkpoints/step-00000021' 75
grep -q 'stopped by a signal' err || fail "nobody said that the run was stopped"
disturb KILL 'cut/checkpoints/step-00000042' 137
disturb KILL 'cut/checkpoints/ratio-000000[1-4]*' 137
disturb USR1 'cut/samples/ddls/blocks/block-000002.safetensors' 75
disturb KILL 'cut/samples/ddls/blocks/block-00000[6-9].safetensors' 137
on 2 --config small.yaml --out cut >out 2>err || { cat err >&2; fail "the last start"; }
hashes cut >cut.hashes
cmp whole.hashes cut.hashes || fail "other bytes than the undisturbed run"

# The curves hold every step once.
python3 - <<'PY' || fail "metrics.jsonl of the resumed run"
import json
def steps(path):
    return sorted((r["phase"], r["step"]) for r in map(json.loads, open(path)))
assert steps("whole/metrics.jsonl") == steps("cut/metrics.jsonl"), (steps("whole/metrics.jsonl"), steps("cut/metrics.jsonl"))
PY

# Finished: a further start does nothing again, and changes nothing.
on 3 --config small.yaml --out cut >out 2>err || { cat err >&2; fail "start of a finished run"; }
hashes cut | cmp whole.hashes - || fail "a further start changed the samples"

# Other settings in the same folder are refused; --resume never starts anew.
cat cut/config.yaml cut/run.json >described
expect 78 2 --config small.yaml --out cut --set train.batch=32
says 'batch: 16'
expect 78 2 --config small.yaml --out cut --set model.ratio_hidden=4  # the GAN does not mind, its ratio does
says 'ratio-00000060 was made with another configuration'
cat cut/config.yaml cut/run.json | cmp described - || fail "a start that was refused left its configuration in the run"
# A finished GAN with constant learning rates is trained on by a larger train.steps, once nothing is there of the shorter training.
cp -r cut on
expect 78 2 --config small.yaml --out on --set train.steps=80
says 'to train on, remove ratio-* there'
rm -r on/checkpoints/{ratio,refined,calibrated}-* 2>/dev/null || true
expect 0 2 --config small.yaml --out on --set train.steps=80
says 'gan: goes on from step 60 of 80'
expect 78 2 --config small.yaml --out on --set train.steps=70
says 'beyond train.steps = 70: choose 80 or more'
expect 66 1 --config small.yaml --out nothing --resume require
says 'no checkpoint'

# `require` asks for a run that has begun, not for each of its phases.
rm -rf cut/checkpoints/ratio-* cut/checkpoints/refined-*
on 2 train --config small.yaml --out cut --resume require 2>err || { cat err >&2; fail "--resume require of a run whose GAN is complete"; }
ls cut/checkpoints/ratio-* >/dev/null 2>&1 || fail "--resume require made no ratio"

# A warm-up of hours ends at once.
rm -rf cut/samples
settings=(--set 'sample.methods=[mala]' --set sample.mala.warmup=10000000)
disturb USR1 'cut/samples/mala/blocks' 75
grep -q 'stopped by a signal in its warm-up' err || { cat err >&2; fail "nobody said that the warm-up was stopped"; }
