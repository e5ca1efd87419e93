# Where results go: files of the user's naming, and standard output, each written whole or with an error.
source "$(dirname "$0")/lib.sh"

python3 - <<'PY'
import struct, zipfile
def npy(rows, shift):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 2), }" % rows
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    values = [((i * 37) % 101) / 101 + shift if j == 0 else ((i * 53) % 89) / 89 for i in range(rows) for j in range(2)]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%df" % len(values), *values)
for name, rows, shift in (("a", 40, 0), ("b", 40, 0.5)):
    with zipfile.ZipFile(name + ".npz", "w") as file: file.writestr("arr_0.npy", npy(rows, shift))
PY
evaluate=(evaluate --fake b.npz --real a.npz --metrics fid,kid)

# a link is followed, a pipe is written to, a device stays one (of our own making, never the system's)
echo old >target.json
mkdir links
ln -s ../target.json links/link.json
expect 0 2 "${evaluate[@]}" --json links/link.json
[[ -L links/link.json ]] || fail "--json has replaced a symbolic link"
cmp -s target.json stdout || fail "what the link leads to is not the result"
mkfifo pipe
cat pipe >piped &
expect 0 2 "${evaluate[@]}" --json pipe
wait $!
[[ -p pipe ]] || fail "--json has replaced a pipe"
cmp -s piped stdout || fail "the pipe did not get the result"
"$binary" "${evaluate[@]}" --json >(cat >substituted) >stdout 2>stderr || fail "--json of a process substitution"
"$binary" "${evaluate[@]}" --json /dev/stdout >twice 2>stderr || fail "--json /dev/stdout"
[[ $(grep -c '"schema"' twice) == 2 ]] || fail "--json /dev/stdout and the result on standard output overwrite each other"
cmp -s substituted stdout || fail "the process substitution did not get the result"
if mknod null c 1 3 2>/dev/null && (: >null) 2>/dev/null; then
  for command in "evaluate --fake b.npz --real a.npz --metrics fid --json null" "info --json null" \
    "bench collectives --rounds 1 --warmup 1 --json null"; do
    # shellcheck disable=SC2086  # words
    expect 0 1 $command
    [[ -c null ]] || fail "a device was replaced: $command"
  done
else
  echo "no device can be made here: devices were not tried"
fi
ln -s loop.json loop.json
expect 71 2 "${evaluate[@]}" --json loop.json
says 'cannot write loop.json: Too many levels of symbolic links'

# a full disk behind standard output; a reader who has seen enough; no standard output at all
for command in --help --version info 'config --config small.yaml' 'evaluate --fake b.npz --real a.npz --metrics fid' \
  'bench collectives --rounds 1 --warmup 1'; do
  rc=0
  # shellcheck disable=SC2086  # words
  "$binary" $command >/dev/full 2>stderr || rc=$?
  [[ $rc == 71 ]] || fail "exit code $rc, not 71, where the result cannot be written: $command"
  says 'cannot write the result to standard output: No space left on device'
done
for command in --help 'config --config small.yaml' info; do
  # shellcheck disable=SC2086  # words
  { sleep 0.2; "$binary" $command 2>stderr; echo $? >rc; } | true
  [[ $(<rc) == 0 && ! -s stderr ]] || fail "$command | true: exit code $(<rc), $(<stderr)"
done
if "$binary" config --config small.yaml >&- 2>stderr; then fail "a closed standard output is not noticed"; else rc=$?; fi
[[ $rc == 71 ]] || fail "exit code $rc, not 71, for a closed standard output"
says 'cannot write the result to standard output: Bad file descriptor'

# the record says what was done
expect 0 2 "${evaluate[@]}"
python3 - <<'PY' || fail "the record of KID"
import json
record = json.load(open("stdout"))
kid = record["metrics"]["kid"]
assert kid["subset_size"] == record["protocol"]["kid"]["subset_size"] == 40, record
assert kid["subsets_std"] is None and kid["subsets_std_why"], record
PY
grep -q 'KID: a has 40 samples, so its subsets have 40, not 1000 (evaluate.kid.subset_size)' stderr || fail "no warning of small subsets"

# two configurations, one of them a run's folder
mkdir as_run
"$binary" config --config small.yaml --set train.steps=9 --seed 3 >as_run/config.yaml
expect 0 2 config --diff small.yaml as_run
diff stdout - <<'TEXT' || fail "what differs between two configurations"
seed: 1 -> 3
train.steps: 12 -> 9
TEXT
expect 64 2 config --diff small.yaml as_run --set seed=2
expect 66 2 config --diff small.yaml missing.yaml

expect 78 2 config --config small.yaml --set sample.methods=ddls
says "got 'ddls'; write [ddls]"
