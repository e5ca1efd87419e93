# Bad input: one clear message, the right exit code, no hang, on one and on several ranks.
source "$(dirname "$0")/lib.sh"

for ranks in 1 3; do
  # the command line
  expect 64 $ranks --nonsense
  says '--nonsense'
  expect 64 $ranks
  says '--config FILE is missing'
  expect 64 $ranks --config small.yaml --resume sometimes
  expect 64 $ranks bench sampler --rounds 0
  says '--rounds: 0 is not a number above 0'

  # the configuration
  expect 66 $ranks --config nowhere.yaml
  says 'nowhere.yaml'
  printf 'name: x\ntrain:\n  stesp: 3\n  batch: many\n  loss: magic\n' >bad.yaml
  expect 78 $ranks --config bad.yaml
  says "bad.yaml:3:3: train.stesp: unknown key; did you mean 'steps'?"
  says 'bad.yaml:4:10: train.batch'
  says 'bad.yaml:5:9: train.loss'
  printf 'name: [x\n' >broken.yaml
  expect 78 $ranks --config broken.yaml
  says 'broken.yaml:'
  expect 78 $ranks --config small.yaml --set train.shards=4 --set train.batch=15
  says 'train.batch'
  expect 78 $ranks --config small.yaml --set model.architecture=mlp
  says 'mlp'
  expect 78 $ranks --config small.yaml --set 'model.generator_widths=[8,8,8,8,8]'
  says 'cannot be halved'

  # the data
  expect 66 $ranks --config small.yaml --set data.train=nowhere.idx
  says 'nowhere.idx'
  head -c 1000 data/train-images.idx >cut.idx
  expect 65 $ranks --config small.yaml --set data.train=cut.idx
  says 'cut.idx'
  expect 65 $ranks --config small.yaml --set data.train=small.yaml
  says 'small.yaml'
  head -c 700 data/test-images.idx.gz >cut.idx.gz
  expect 65 $ranks --config small.yaml --set data.test=cut.idx.gz
  says 'cut.idx.gz'

  # a folder of images with a damaged one, and one of another size
  rm -rf pictures && mkdir -p pictures
  python3 "$here/make_png.py" pictures/a.png 8 8 && python3 "$here/make_png.py" pictures/b.png 8 8 && python3 "$here/make_png.py" pictures/c.png 8 10
  pictures=(--set data.kind=images --set data.train=pictures --set data.test= --set data.train_labels= --set data.test_labels= --set evaluate.reference=train)
  expect 65 $ranks --config small.yaml "${pictures[@]}"
  says 'c.png'
  head -c 60 pictures/a.png >pictures/c.png
  expect 65 $ranks --config small.yaml "${pictures[@]}"
  says 'c.png'

  # told to skip it, the program goes on and counts, whether it decodes at opening or when images are needed
  for on_demand in false true; do
    rm -rf skipped
    limit_s=60 expect 0 $ranks train --config small.yaml --out skipped "${pictures[@]}" --set data.damaged=skip --set data.on_demand=$on_demand
    says '1 damaged images were skipped'
    grep -q '"phase":"data","step":12,"skipped_images":1' skipped/metrics.jsonl || fail "metrics.jsonl has no count of skipped images"
  done

  # sets
  head -c 100 /dev/urandom >noise.npz
  expect 65 $ranks evaluate --fake noise.npz --real noise.npz --extractor e.pt
  says 'noise.npz'
  expect 66 $ranks evaluate --fake nowhere --real nowhere --extractor e.pt
  says 'nowhere'
  rm pictures/c.png
  expect 66 $ranks evaluate --fake pictures --real pictures --extractor nowhere.pt
  says 'nowhere.pt'
  expect 65 $ranks evaluate --fake pictures --real pictures --extractor small.yaml
  says 'small.yaml'
  expect 64 $ranks evaluate --config small.yaml --extractor e.pt --json out.json
  says 'evaluate.extractor'

  # places
  expect 66 $ranks sample --config small.yaml --out empty
  says 'no checkpoint'
done

# a launcher that MPI does not see as one job: nothing is computed; what one process can answer is answered
for work in 'train --config small.yaml' '--config small.yaml' 'evaluate --fake pictures --real pictures --extractor e.pt' 'bench collectives'; do
  # shellcheck disable=SC2086  # words
  if SLURM_NTASKS=4 "$binary" $work >stdout 2>stderr; then fail "four tasks, one rank: not noticed: $work"; else rc=$?; fi
  [[ $rc == 78 ]] || fail "exit code $rc, not 78, for a launcher that does not match: $work"
  says 'SLURM_NTASKS is 4, but MPI sees 1 rank'
done
for answer in --help --version 'train --help' 'config --config small.yaml' info; do
  # shellcheck disable=SC2086  # words
  SLURM_JOB_ID=5 SLURM_NTASKS=4 "$binary" $answer >stdout 2>stderr || fail "$answer in a batch script: exit code $?"
  [[ -s stdout && ! -s stderr ]] || fail "$answer in a batch script: $(<stderr)"
done
grep -q 'launcher_mismatch *SLURM_NTASKS is 4' stdout || fail "info does not tell of the launcher"
if SLURM_NTASKS=4 "$binary" --nonsense 2>stderr; then fail "--nonsense"; else rc=$?; fi
[[ $rc == 64 ]] || fail "exit code $rc, not 64, for a wrong command line in a batch script"
[[ $(SLURM_PROCID=3 SLURM_NTASKS=4 "$binary" --version) == '' ]] || fail "every task prints the version"

# a damaged checkpoint: with one before it that is whole, the run goes on from there; sampling from it is refused
limit_s=60 expect 0 2 train --config small.yaml --out run
printf 'x' | dd of=run/checkpoints/refined-00000004/ratio.safetensors bs=1 seek=200 conv=notrunc status=none
expect 65 2 sample --config small.yaml --out run --checkpoint run/checkpoints/refined-00000004
says 'ratio.safetensors'
limit_s=60 expect 0 2 train --config small.yaml --out run

# no space left: a small file system, where one can be made
if mkdir -p full && mount -t tmpfs -o size=300k tmpfs full 2>/dev/null; then
  trap 'umount full' EXIT
  limit_s=30 expect 71 2 --config small.yaml --out full/run
  says 'No space left on device'
else
  echo "no tmpfs can be mounted here: the full disk was not tried"
fi

# more ranks than blocks, and a count that does not divide: correct work
limit_s=60 expect 0 4 --config small.yaml --out odd --set sample.count=17 --set sample.block_size=16
python3 - <<'PY' || fail "17 samples in blocks of 16"
import zipfile, struct
data = zipfile.ZipFile("odd/samples/ddls/latents.npz").read("arr_0.npy")
assert b"(17, 6)" in data[:128], data[:128]
PY

# --set before a command holds as it does behind it; of two for one key the last
limit_s=10 expect 0 1 --config small.yaml --set sample.count=17 --set train.log_every=7 config --set sample.count=18
for line in '^ *count: 18 ' '^ *log_every: 7 '; do grep -q "$line" stdout || fail "config with --set on both sides: no '$line'"; done
