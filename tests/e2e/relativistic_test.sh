# train.loss relativistic with R1 and R2: its score is sampled by as it is, and bytes do not depend on the rank count.
source "$(dirname "$0")/lib.sh"
cat >pairs.yaml <<'YAML'
name: pairs
data: {kind: gaussians25, points: 800}
model: {generator_widths: [16], discriminator_widths: [16, 16]}
train: {steps: 20, batch: 16, loss: relativistic, r1_weight: 0.1, r2_weight: 0.1, r1_every: 2, discriminator_steps: 2, log_every: 10}
sample: {methods: [generator, ddls, mala], count: 40, block_size: 20, ddls: {steps: 4}, mala: {steps: 4, warmup: 3, pilot_chains: 16}, allow_bad_energy: true}
evaluate: {metrics: [fid]}
YAML
for ranks in 1 2 3; do
  on "$ranks" --config pairs.yaml --out "run$ranks" >out 2>err || { cat err; fail "np $ranks"; }
  (cd "run$ranks" && sha256sum ./samples/*/samples.npz ./checkpoints/step-00000020/*.safetensors) >"hashes$ranks"
  cmp hashes1 "hashes$ranks" || fail "other bytes on $ranks ranks"
done
on 1 --config pairs.yaml --out without --set train.r2_weight=0 >out 2>err || { cat err; fail "without R2"; }
! cmp -s {run1,without}/checkpoints/step-00000020/discriminator.safetensors || fail "R2 is without effect"
expect 78 2 --config pairs.yaml --out bad --set train.generator_batch=32
says 'compares fakes with as many reals'
