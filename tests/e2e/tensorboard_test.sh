#!/usr/bin/env bash
# What the tensorboard package reads from a run's event files: every number of metrics.jsonl, and the pictures. DDLS_PYTHON names a
# Python that has the package, where python3 has not.
for python in "${DDLS_PYTHON:-}" python3; do
  [[ -n $python ]] && "$python" -c 'import tensorboard' 2>/dev/null && break
  python=
done
[[ -n $python ]] || { echo "skipped: no Python here has tensorboard (pip install tensorboard; DDLS_PYTHON=PYTHON)"; exit 77; }
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

on 1 --config small.yaml --out run >/dev/null 2>err || { cat err >&2; fail "the run"; }
"$python" - <<'PY' || fail "what tensorboard reads"
import json, math
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator("run/tensorboard", size_guidance={"scalars": 0, "images": 0})
events.Reload()
read = {(tag, e.step): e.value for tag in events.Tags()["scalars"] for e in events.Scalars(tag)}
count = 0
for line in open("run/metrics.jsonl"):
    record = json.loads(line)
    for name, value in record.items():
        if name in ("phase", "step") or not isinstance(value, (int, float)):
            continue
        found = read[(f"{record['phase']}/{name}", record["step"])]
        assert math.isclose(found, value, rel_tol=1e-6, abs_tol=1e-30), (record["phase"], name, record["step"], found, value)
        count += 1
assert count > 50, count
images = events.Images("generator")
assert [image.step for image in images] == [6, 12], [image.step for image in images]
assert all(image.encoded_image_string.startswith(b"\x89PNG") and image.width == image.height > 8 for image in images)
print(f"{count} scalars, {len(images)} images")
PY
