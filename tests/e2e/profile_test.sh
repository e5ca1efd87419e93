# The profile of Langevin steps: rows for all of a step, a trace that viewers open, and no profile of what has none.
source "$(dirname "$0")/lib.sh"

bench=(bench sampler --config small.yaml --set data.image_size=8 --set data.channels=1 --warmup 1 --rounds 1 --steps 3)

# profile RANKS NAME ARGUMENTS...: NAME.json, NAME.trace.json and NAME.txt
profile() {
  local ranks=$1 name=$2
  shift 2
  on "$ranks" "${bench[@]}" --profile --json "$name.json" --trace "$name.trace.json" "$@" >"$name.txt" 2>err ||
    { cat err >&2; fail "the profile $name"; }
}

for ranks in 1 2; do profile "$ranks" "np$ranks"; done
profile 1 autograd --set model.architecture=sn_resnet --set model.upsampling=bilinear --set model.latent_dim=8 \
  --set data.image_size=16 --set data.channels=3 --set sample.block_size=2 --set train.classifier.steps=0
python3 - <<'PYTHON' || fail "the profile"
import json

def read(name):
    with open(name) as f:
        return json.load(f)

for name in ("np1", "np2", "autograd"):
    result, trace = read(name + ".json"), read(name + ".trace.json")
    profile = result["profile"]
    rows = profile["operations"]
    names = [(r["operation"], r["pass"]) for r in rows]
    assert len(set(names)) == len(names), names
    assert names[0] == ("update", "") and names[-1] == ("rest", ""), names
    assert profile["steps"] == 3 and profile["seconds_per_step"] > 0
    for table in (rows, profile["kinds"]):
        assert abs(sum(r["share"] for r in table) - 1) < 1e-9
        plain = 1e9 * sum(r["gflop_plain"] or 0 for r in table)
        expected = result["flops_per_chain_step"] * result["batch"]
        assert abs(plain / expected - 1) < 1e-9, (name, plain, expected)
    with open(name + ".txt") as f:
        text = f.read()
    assert all(r["operation"] in text for r in rows)

    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [e["name"] for e in events].count("step") == 3
    begins = [e["ts"] for e in events]
    assert begins == sorted(begins) and all(e["dur"] >= 0 for e in events)
    open_until = []
    for e in events:  # inside the event around it, or after it
        while open_until and e["ts"] >= open_until[-1] - 1e-6:
            open_until.pop()
        assert not open_until or e["ts"] + e["dur"] <= open_until[-1] + 1e-6, e
        if e["dur"] > 0:
            open_until.append(e["ts"] + e["dur"])
rows = {(r["operation"], r["pass"]) for r in read("np1.json")["profile"]["operations"]}
assert {("generator.0", "forward"), ("generator.0", "vjp"), ("ratio.0", "forward"), ("ratio.0", "vjp")} < rows, rows
rows = {(r["operation"], r["pass"]) for r in read("autograd.json")["profile"]["operations"]}
assert rows == {("update", ""), ("generator", "forward"), ("ratio", "forward"), ("both", "backward"), ("rest", "")}, rows
PYTHON

# The speed at several block sizes: all of them, in order, and one of the fast ones recommended.
on 2 "${bench[@]}" --block-sizes 8,2,4 --json sizes.json >sizes.txt 2>err || { cat err >&2; fail "the block sizes"; }
python3 - <<'PYTHON' || fail "the block sizes"
import json

with open("sizes.json") as f:
    result = json.load(f)
rates = {row["block_size"]: row["chain_steps_per_second"] for row in result["block_sizes"]}
assert list(rates) == [2, 4, 8] and min(rates.values()) > 0, rates
good = [size for size, rate in rates.items() if rate >= 0.98 * max(rates.values())]
assert result["recommended_block_size"] == good[0], result
PYTHON
expect 64 1 bench training --config small.yaml --block-sizes 8
says '--block-sizes is of the sampler'

expect 64 2 bench training --config small.yaml --profile
says '--profile is of the sampler'
expect 64 1 bench sampler --config small.yaml --trace t.json
says '--profile'
