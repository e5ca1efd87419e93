# The benchmark with a known answer (docs/pretrained.md), small: a ratio that is fitted to data from N(m, s^2 I) behind a fixed generator
# leads exact kernels to that law in latent space.
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tools" python3 "$DDLS_SOURCE_DIR/tools/known_truth.py")
"${python[@]}" write truth --latent-dim 2 --train 60000 >told 2>err || { cat err; echo "no torch to write archives with"; exit 77; }

sed 's#\.\./data/known-truth#truth#g' "$DDLS_SOURCE_DIR/configs/known-truth.yaml" >truth.yaml
on 2 --config truth.yaml --out run --set 'sample.methods=[generator,mala,isir,rejection]' --set sample.count=6000 --set train.ratio.steps=500 \
  --set train.ratio.batch=256 --set train.calibration.pool=40000 --set sample.mala.steps=200 \
  --set sample.isir.steps=40 >out 2>err || { cat err; fail "the run"; }
"${python[@]}" check truth run --methods mala,isir,rejection --square 0.06 --direction 0.08 --fd 3 | tee table || fail "the truth is not found"
# The check itself can fail: the generator alone is far off.
! "${python[@]}" check truth run --methods generator --square 0.06 --direction 0.08 --fd 3 >/dev/null 2>err || fail "the generator passes for the truth"
grep -q 'off by more than is allowed: generator' err || { cat err; fail "the check gives no reason"; }
