#!/usr/bin/env bash
# The report in a real browser: every figure and table is there, whole at 400, 1100 and 1600 pixels, light and dark, with
# names, downloads and pages; no error on the console; it opens within a second.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[[ -n $browser ]] || { echo "skipped: no chromium here (apt-get install chromium)"; exit 77; }
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

look() {
  timeout 300 python3 "$here/look_at_page.py" "$browser" "$@" || fail "$*"
}

# An image run with every sampler.
{ sed '/^sample:/,/^evaluate:/{/^evaluate:/!d}' small.yaml; every_sampler 24; } >all.yaml
sed -i 's/^  checkpoint_every: 2$/  checkpoint_every: 2\n  snapshot_every: 2\n  record_every: 1\n  trajectories: 6/' all.yaml
on 2 --config all.yaml --out run >/dev/null 2>err || { cat err >&2; fail "the run"; }
look run/report.html
look run/report.html --dark

# Points.
cat >points.yaml <<YAML
name: points
data: {kind: gaussians25, points: 2000}
model: {generator_widths: [16], discriminator_widths: [16], ratio_widths: [16]}
train: {steps: 20, batch: 32, log_every: 5, ratio: {steps: 20, batch: 32}}
sample:
  methods: [generator, ddls, mala]
  count: 400
  block_size: 100
  trajectories: 6
  sweep: [1e-4, 1e-3]
  allow_bad_energy: true
  ddls: {steps: 20}
  mala: {steps: 10, warmup: 5, pilot_chains: 16}
evaluate: {metrics: [fid], energy_draws: 2000}
YAML
on 1 --config points.yaml --out points >/dev/null 2>err || { cat err >&2; fail "the run of points"; }
look points/report.html

# Several runs side by side, and the page that follows a run.
on 1 compare points points --out both.html >/dev/null
look both.html

# The check itself finds faults.
sed 's|<main>|<main><p style="max-width:none;width:2000px">wide</p><script>throw new Error("broken")</script>|' points/report.html >bad.html
if python3 "$here/look_at_page.py" "$browser" bad.html >found; then fail "a page with faults passed"; fi
for fault in "the page is 20" "ends beyond the page" "error: Uncaught Error: broken"; do
  grep -q "$fault" found || { cat found >&2; fail "'$fault' was not found"; }
done
