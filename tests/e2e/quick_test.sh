# The quick recipe, as a newcomer runs it: exact kernels on its energy are better than the generator, and the page is there.
source "$(dirname "$0")/lib.sh"

on 2 --config "$here/../../configs/quick.yaml" --out run >out 2>err || { cat err >&2; fail "configs/quick.yaml"; }
tail -1 out | grep -q 'run/report.html' || fail "the last line does not say where the report is: $(tail -1 out)"
grep -q '</html>' run/report.html || fail "the page is not whole"

python3 - <<'PY' || fail "what the quick recipe reaches"
import json
report = json.load(open("run/report.json"))
nats = report["energies"]["tilt"]["nats"]
assert nats > 0.3, nats
quality = {m: r["metrics"]["high_quality_fraction"] for m, r in report["methods"].items()}
masses = {m: r["metrics"]["mass_total_variation"] for m, r in report["methods"].items()}
assert quality["generator"] < 0.85, quality
for method in ("mala", "rejection"):
    assert quality[method] > 0.97 and masses[method] < 0.09, (quality, masses)  # 2500 exact draws: 0.04
    assert report["methods"][method]["metrics"]["modes_recovered"] == 25, method
PY
