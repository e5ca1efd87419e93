# The image job on fake GPUs: bash FILE BINARY SCRATCH-FOLDER, where BINARY is the program that finds them. The same bytes at every
# number of ranks, whichever way they exchange data, after a stop, and where evaluations are recorded.
source "$(dirname "$0")/../e2e/lib.sh"

# A GPU for each rank, so NCCL's place is taken by its fake; at 3 ranks one for all, so data goes through host memory.
run() {
  local ranks=$1
  shift
  DDLS_FAKE_GPUS=$((ranks == 3 ? 1 : ranks)) on "$ranks" --config small.yaml "$@" >out 2>err || { cat err >&2; fail "np $ranks: $*"; }
}
for ranks in 1 2 3 4; do
  run "$ranks" --out "np$ranks" --device cuda
  hashes "np$ranks" >"np$ranks.hashes"
  cmp np1.hashes "np$ranks.hashes" || fail "np $ranks gives other bytes than np 1"
  (cd "np$ranks" && sha256sum checkpoints/*/{generator,discriminator,ratio,measured_generator}.safetensors 2>/dev/null || true) >"np$ranks.weights"
  cmp np1.weights "np$ranks.weights" || fail "np $ranks trains other networks than np 1"
done
[[ $(wc -l <np1.weights) -ge 6 ]] || fail "too few weights were compared"
python3 - <<'PY' || fail "run.json does not tell where it ran"
import json
told = [json.load(open(f"np{ranks}/run.json")) for ranks in (1, 2, 3, 4)]
told = [r["starts"][-1] if "device" not in r else r for r in told]
assert [r["device"] for r in told] == ["fake"] * 4, told
assert [r["transport"] for r in told][1:] == ["nccl", "staged through host memory", "nccl"], told
PY

# Stopped in training and in chains, on other numbers of ranks.
stopped() {
  local pattern=$1 ranks=$2 rc=0
  DDLS_FAKE_GPUS=$ranks mpirun -q -np "$ranks" "$binary" --config small.yaml --out cut >out 2>err &
  local launcher=$! end=$((SECONDS + 60))
  until compgen -G "$pattern" >/dev/null; do
    ((SECONDS < end)) || fail "waited too long for $pattern"
    sleep 0.02
  done
  kill -USR1 "$launcher"
  wait "$launcher" || rc=$?
  [[ $rc == 75 || $rc == 0 ]] || { cat err >&2; fail "exit code $rc after a stop"; }
}
stopped 'cut/checkpoints/step-00000004' 2
stopped 'cut/samples/ddls/blocks/block-*' 1
run 2 --out cut
hashes cut | cmp np1.hashes - || fail "other bytes after stops"

# Every sampler, evaluated as launched and by recorded graphs.
{ sed '/^sample:/,/^evaluate:/{/^evaluate:/!d}' small.yaml; every_sampler 20; } >every.yaml
for graph in false true; do
  for ranks in 1 2; do
    rm -rf every
    mkdir every
    cp -r np1/checkpoints every/
    DDLS_FAKE_GPUS=$ranks on "$ranks" sample --config every.yaml --out every --set "sample.cuda_graph=$graph" >out 2>err ||
      { cat err >&2; fail "every sampler, np $ranks, cuda_graph $graph"; }
    (cd every/samples && sha256sum ./*/samples.npz ./*/latents.npz) >"every.$graph.$ranks"
    cmp every.false.1 "every.$graph.$ranks" || fail "every sampler: other bytes at np $ranks, cuda_graph $graph"
  done
done
