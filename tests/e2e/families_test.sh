# GANs in the layouts of published families, exported by tools/export_gan.py --family from code and weights as their repositories have
# them, are what their networks are; one with a score is sampled, one without gets a ratio.
if [[ -z ${DDLS_THOROUGH:-} ]]; then
  echo "skipped: it exports eight networks, some minutes of tracing; DDLS_THOROUGH=1 runs it"
  exit 77
fi
source "$(dirname "$0")/lib.sh"
python=(env PYTHONPATH="$DDLS_WHEEL_DIR:$DDLS_SOURCE_DIR/tests/e2e" python3)
"${python[@]}" -c 'import torch' 2>err || { echo "python3 cannot import the wheel's torch: $(tail -1 err)"; exit 77; }
"${python[@]}" "$here/make_families.py" >told 2>err || { cat err; fail "the archives"; }
for archive in dcgan mimicry studio style0; do
  on 2 sample --generator $archive.pt2 --out $archive --set sample.count=16 --set sample.block_size=8 --set 'sample.methods=[generator,mala]' \
    --set sample.mala.steps=3 --set sample.mala.warmup=2 --set sample.mala.pilot_chains=8 2>err || { cat err; fail "$archive"; }
done
for archive in r3 biggan edm style3; do
  expect 65 1 sample --generator $archive.pt2 --out none
  says 'it has a generator alone'
done
