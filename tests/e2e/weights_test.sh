# Weights in .safetensors under our own names: a run's networks, given as two files, are sampled to the bytes of the run. What
# does not fit is refused with a reason.
source "$(dirname "$0")/lib.sh"

on 2 --config small.yaml --out run 2>err || { cat err >&2; fail "the run"; }
step=run/checkpoints/refined-00000004
weights=(--generator "$step/generator.safetensors" --discriminator "$step/ratio.safetensors")
size=(--set data.image_size=8 --set data.channels=1)
for ranks in 1 3; do
  on "$ranks" sample --config small.yaml "${weights[@]}" "${size[@]}" --out "np$ranks" 2>err || { cat err >&2; fail "np $ranks"; }
  hashes "np$ranks" >"np$ranks.hashes"
  hashes run >run.hashes
  cmp run.hashes "np$ranks.hashes" || fail "weights at np $ranks give other samples than their run"
done

# The same under other names.
cat >map.yaml <<'YAML'
generator: [{theirs: '(.*)', ours: '$1'}]
discriminator: [{theirs: '(.*)', ours: '$1'}]
YAML
on 1 sample --config small.yaml "${weights[@]}" "${size[@]}" --set model.weight_map=map.yaml --out mapped 2>err || { cat err >&2; fail "a map"; }
hashes mapped >mapped.hashes
cmp run.hashes mapped.hashes || fail "a map of equal names changes the samples"

expect 78 2 sample --config small.yaml "${weights[@]}" --out no
says 'data.image_size'
expect 65 2 sample --config small.yaml "${weights[@]}" "${size[@]}" --set model.ratio_hidden=0 --out no
says 'ratio.safetensors'
expect 64 2 sample --config small.yaml --generator "$step/generator.safetensors" --discriminator D.pt "${size[@]}" --out no
says 'both'
expect 66 2 sample --config small.yaml --generator none.safetensors --discriminator none.safetensors "${size[@]}" --out no
says 'none.safetensors'
last=$(ls -d run/checkpoints/step-* | tail -1)
on 1 sample --config small.yaml --generator "$last/measured_generator.safetensors" --discriminator "$step/ratio.safetensors" "${size[@]}" \
  --out measured 2>err || { cat err >&2; fail "a run's measured generator"; }
expect 65 2 sample --config small.yaml --generator "$last/generator.safetensors" --discriminator "$step/ratio.safetensors" "${size[@]}" --out no
says 'never measured'
python3 - "$step/ratio.safetensors" <<'PY'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = {name: about for name, about in json.loads(data[8:8 + size]).items() if name != "__metadata__"}  # and with it the hash
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open("nan.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + struct.pack("<f", float("nan")) + data[8 + size + 4:])
PY
expect 65 2 sample --config small.yaml --generator "$step/generator.safetensors" --discriminator nan.safetensors "${size[@]}" --out no
says 'nan.safetensors: '
says 'not finite numbers'
cat >map.yaml <<'YAML'
generator: [{theirs: 'linear.*', our: x}]
discriminator: [{theirs: '(.*)', our: x}]
YAML
expect 78 2 sample --config small.yaml "${weights[@]}" "${size[@]}" --set model.weight_map=map.yaml --out no
says "unknown key 'our'"
cat >map.yaml <<'YAML'
generator: [{theirs: 'no such name', ours: x}]
discriminator: [{theirs: 'no such name', ours: x}]
YAML
expect 65 2 sample --config small.yaml "${weights[@]}" "${size[@]}" --set model.weight_map=map.yaml --out no
says 'has no rule for the tensor'
expect 78 2 --config small.yaml --set model.weight_map=map.yaml --out no
says 'model.weight_map'
