#!/usr/bin/env bash
# A rank that is slower than the others is named, with its host; the times of all are in report.json, and nothing else changes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

settings=(--config small.yaml --set sample.methods=[generator,ddls] --set train.steps=60 --set train.log_every=20
  --set train.checkpoint_every=1000 --set sample.ddls.steps=40)
on 2 "${settings[@]}" --out even >/dev/null 2>err || { cat err >&2; fail "the run"; }

# Rank 1 stands still for three quarters of its time.
cat >slowed.sh <<'SH'
if [[ ${OMPI_COMM_WORLD_RANK:-0} == 1 ]]; then
  pid=$$
  (trap 'kill -CONT $pid 2>/dev/null' EXIT
   while kill -STOP $pid 2>/dev/null; do sleep 0.09; kill -CONT $pid 2>/dev/null || break; sleep 0.03; done) &
fi
exec "$@"
SH
mpirun -q -np 2 bash slowed.sh "$binary" "${settings[@]}" --out slow >/dev/null 2>err || { cat err >&2; fail "the slowed run"; }
grep -q "gan: rank 1 on $(hostname)[^ ]* takes .* times the median" err || { cat err >&2; fail "the slow rank is not named"; }
grep -q "gan: seconds of a step, by rank, without waits: " err || fail "the times are not told"

python3 - <<'PY' || { cat slow/report.json | head -60 >&2; fail "step_times of report.json"; }
import json
even, slow = (json.load(open(run + "/report.json")) for run in ("even", "slow"))
for report in (even, slow):
    times = report.pop("step_times")
    assert {"gan", "ratio", "refine", "sample/ddls"} <= set(times), times.keys()
    for phase, one in times.items():
        assert len(one["seconds_per_step"]) == 2, (phase, one)
        assert all(s is None or s > 0 for s in one["seconds_per_step"]), (phase, one)
    if report is slow:
        gan = times["gan"]
        assert gan["slow"] == [1] and gan["hosts"][1] and gan["seconds_per_step"][1] > 1.3 * gan["median"], times
    del report["seconds"]
def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if "second" not in k}
    return value
assert plain(even) == plain(slow), "times changed what was computed"
PY
[[ $(hashes even) == $(hashes slow) ]] || fail "samples differ"
