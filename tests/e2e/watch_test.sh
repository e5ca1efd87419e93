#!/usr/bin/env bash
# watch follows a run: its page grows while the run goes on, loads itself anew until it ends, and says where the report is.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

expect 66 1 watch nothing
says "'nothing' is not there"
expect 64 1 watch

mkdir run
"$binary" watch run --every 0.2 >told 2>watched &
watcher=$!
wait_for() {  # until the page holds TEXT
  local start=$SECONDS
  until grep -q -- "$1" run/live.html 2>/dev/null; do
    kill -0 $watcher 2>/dev/null || { cat watched >&2; fail "watch ended before '$1'"; }
    ((SECONDS - start < 120)) || fail "no '$1' in 120 s"
    sleep 0.1
  done
}
wait_for "has not begun"
on 1 --config small.yaml --out run --set train.steps=200 --set sample.ddls.steps=60 >/dev/null 2>err &
run=$!
wait_for 'data-reload="1"'
wait_for 'aria-label="gan" aria-valuenow="[1-9]'
wait_for "<h2>Training"
wait $run || { cat err >&2; fail "the run"; }
wait $watcher || { cat watched >&2; fail "watch did not end well"; }
grep -q 'href="report.html"' run/live.html || fail "the page does not name the report"
if grep -q data-reload run/live.html; then fail "the page of a run that has ended loads itself anew"; fi
grep -q "run/live.html" told || fail "where the page is was not said"
for part in "<h2>Results" "<h2>Samples" "MALA" "generator-while-training"; do
  grep -q "$part" run/live.html || fail "no '$part' on the last page"
done

# A finished run, and one that stands: Ctrl-C ends watching in good order.
limit_s=20 expect 0 1 watch run
rm run/report.html
"$binary" watch run --every 0.2 >/dev/null 2>watched &
watcher=$!
sleep 2
kill -INT $watcher
wait $watcher || fail "Ctrl-C: exit code $?"
