# train.shards: auto. One to four ranks get the same weights; with six each has a shard; a run that has begun keeps its number.
source "$(dirname "$0")/lib.sh"

cat >tiny.yaml <<'YAML'
name: tiny
data: {kind: gaussians25, points: 500}
model: {generator_widths: [16], discriminator_widths: [16], ratio_widths: [16]}
train: {steps: 6, batch: 48, checkpoint_every: 3, ratio: {steps: 2, batch: 48, refine: {batch: 48, chains: 96}}, classifier: {batch: 48}}
YAML
weights() { (cd "$1/checkpoints" && sha256sum ./*/generator.safetensors ./*/ratio.safetensors); }
train() {  # train RANKS FOLDER ARGUMENTS...
  local ranks=$1 folder=$2
  shift 2
  on "$ranks" train --config tiny.yaml --out "$folder" "$@" >out 2>err || { cat err >&2; fail "training at $ranks ranks into $folder"; }
}

train 1 np1
train 4 np4
weights np1 >np1.weights
weights np4 | cmp np1.weights - || fail "by default 4 ranks give other weights than 1"
grep -q 'shards: 4' np4/config.yaml || fail "config.yaml does not say how many shards there were"

train 6 np6
cat out err | grep -qF 'train.shards: auto is 6 for 6 ranks' || { cat err >&2; fail "the number of shards is not said"; }
! cat out err | grep -qF 'have work in training' || fail "ranks idle"
train 2 six_shards --set train.shards=6
weights np6 >np6.weights
weights six_shards | cmp np6.weights - || fail "auto at 6 ranks is not 6 shards"
! cmp -s np1.weights np6.weights || fail "6 shards are 4"

# Taken up at other rank counts: each keeps its number, and comes to the same end.
for run in np4 np6; do rm -r "$run"/checkpoints/{step-00000006,ratio-*}; done
train 6 np4
cat out err | grep -qF 'train.shards: auto is 4, as in the checkpoints of this run' || { cat err >&2; fail "the number that is kept is not said"; }
weights np4 | cmp np1.weights - || fail "a run of 4 shards that goes on at 6 ranks gives other weights"
train 1 np6
weights np6 | cmp np6.weights - || fail "a run of 6 shards that goes on at 1 rank gives other weights"
