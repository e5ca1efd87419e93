#!/usr/bin/env bash
# Sets as a user has them: what is left out is said and counted, names are bytes, `inspect` tells what there is.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

on 1 --config small.yaml --out run --set sample.methods=[generator] --set train.ratio.refine.steps=0 >/dev/null 2>&1
extractor=run/extractor/classifier.pt
latin=$'caf\xe9'  # no UTF-8

python3 - "$here/make_png.py" <<'PY'
import io, os, subprocess, sys, tarfile
def put(name, bytes_):
    os.makedirs(os.path.dirname(name) or b".", exist_ok=True)
    open(name, "wb").write(bytes_)
latin = b"caf\xe9"
for i, name in enumerate((b"1.png", b"2.png", b"3\xff.png", b"4.png")):
    subprocess.run([sys.executable, sys.argv[1], f"src{i}.png", "8", "8"], check=True)
    put(latin + b"/" + (b"c\xe8vre/" if i % 2 else b"dog/") + name, open(f"src{i}.png", "rb").read())
put(latin + b"/dog/copy.png", open("src0.png", "rb").read())
put(latin + b"/dog/.ipynb_checkpoints/1-checkpoint.png", open("src0.png", "rb").read())
for i in range(3):
    put(latin + b"/dog/%d.webp" % i, b"x")
def tar(name, members):
    with tarfile.open(name, "w") as t:
        for member, data in members:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
pngs = [open(f"src{i}.png", "rb").read() for i in range(4)]
tar("a.tar", [(f"{i}.png", p) for i, p in enumerate(pngs)] + [("5.webp", b"x"), ("notes.txt", b"x")])
tar("b.tar", [(f"{i}.{side}.png", p) for i, p in enumerate(pngs) for side in ("left", "right")])
open("joined.tar", "wb").write(open("a.tar", "rb").read() * 2)
os.makedirs("links")
os.symlink("../.annex/1.png", "links/1.png")
open("links/2.png", "wb").write(pngs[0])
PY

# evaluate, under a name that is no UTF-8, at any number of ranks
for ranks in 1 2; do
  on $ranks evaluate --fake "$latin" --real a.tar --extractor $extractor --metrics fid --json "$latin.json" >stdout 2>stderr
  says '5 images read; left out: 3 images of formats that are not read (3 webp), 1 hidden image, 1 hidden folder'
  says '4 images read; left out: 1 image of a format that is not read (1 webp), 1 other file (1 txt)'
  python3 - <<'PY' || fail "the record of a set with a name that is no UTF-8"
import json, os
record = json.load(open(b"caf\xe9.json", encoding="utf-8"))
assert record == json.load(open("stdout", encoding="utf-8"))
assert record["fake"]["name"] == "caf\\xe9" and record["fake"]["count"] == 5
assert record["fake"]["left_out"] == {"files": 4, "image_formats": {"webp": 3}, "hidden_images": 1, "hidden_folders": 1}, record
assert record["reference"]["left_out"] == {"files": 2, "image_formats": {"webp": 1}, "others": {"txt": 1}}, record
open("stderr", encoding="utf-8").read()
PY
done

# refused
for case in '66 links 1.png' '65 joined.tar joined.tar' '65 b.tar 0.right.png'; do
  read -r code set named <<<"$case"
  expect "$code" 2 evaluate --fake "$set" --real a.tar --extractor $extractor --metrics fid
  says "$named"
done

# inspect: every kind of set, the same words at any number of ranks
for ranks in 1 3; do on $ranks inspect "$latin" --json inspected-$ranks.json >inspected-$ranks.txt 2>/dev/null; done
cmp inspected-1.json inspected-3.json || fail "inspect differs with the ranks"
cmp inspected-1.txt inspected-3.txt || fail "inspect differs with the ranks"
python3 - <<'PY' || fail "inspect"
import json
r = json.load(open("inspected-1.json", encoding="utf-8"))
assert r["kind"] == "folder of images" and r["count"] == 5 and r["sizes"] == {"8x8": 5} and r["channels"] == {"1": 5}, r
assert r["formats"] == {"PNG 8-bit grey": 5} and r["converted"] == {} and r["damaged"] == {"count": 0}, r
assert r["classes"] == {"classes": 2, "with_samples": 2, "counts": {"c\\xe8vre": 2, "dog": 3}}, r
assert r["left_out"]["image_formats"] == {"webp": 3}, r
assert r["duplicates"]["surplus"] == 1 and [n[-len("1.png"):] for n in r["duplicates"]["examples"][0]] == ["1.png", "y.png"], r
PY
head -c 60 src1.png >"$latin/dog/9.png"
on 2 inspect "$latin" >text 2>/dev/null
grep -q '^damaged  *1, the first: .*9.png' text || { cat text >&2; fail "inspect does not tell of damage"; }
for set in a.tar run/samples/generator run/samples/real.npz data/train-images.idx data/test-images.idx.gz; do
  on 1 inspect "$set" >text 2>stderr || { cat stderr >&2; fail "inspect $set"; }
  grep -q '^sizes  *[0-9]' text || { cat text >&2; fail "inspect $set"; }
done
expect 66 2 inspect nowhere
says nowhere
expect 65 1 inspect small.yaml
says 'is no set'
expect 64 1 inspect

# the run's own record, from a folder and into a folder with such names
on 1 --config small.yaml --out "$latin-run" --set data.kind=images --set data.train="$PWD/$latin" --set data.test= --set data.train_labels= \
  --set data.test_labels= --set data.damaged=skip \
  --set evaluate.reference=train --set evaluate.neighbours.samples=0 --set sample.methods=[generator] --set sample.count=10 \
  --set train.ratio.refine.steps=0 >stdout 2>stderr || { cat stderr >&2; fail "a run whose data have a name that is no UTF-8"; }
python3 - <<'PY' || fail "report.json of a set with a name that is no UTF-8"
import json
data = json.load(open(b"caf\xe9-run/report.json", encoding="utf-8"))["data"]["train"]
assert data["name"] == "caf\\xe9" and data["left_out"]["image_formats"] == {"webp": 3} and data["damaged"] == 1, data
assert data["classes"]["counts"] == {"c\\xe8vre": 2, "dog": 3}, data
open(b"caf\xe9-run/report.html", encoding="utf-8").read()
open(b"caf\xe9-run/metrics.jsonl", encoding="utf-8").read()
json.load(open(b"caf\xe9-run/run.json", encoding="utf-8"))
PY

# A .tar.gz goes on in a second gzip stream, and with nothing else.
python3 - <<'PY'
import gzip
tar = open("a.tar", "rb").read()
open("two.tar.gz", "wb").write(gzip.compress(tar[:1000]) + gzip.compress(tar[1000:]) + bytes(512))
open("tail.tar.gz", "wb").write(gzip.compress(tar) + b"more")
PY
expect 0 1 inspect two.tar.gz --json two.json
python3 -c 'import json; assert json.load(open("two.json"))["count"] == 4' || fail "a .tar.gz of two streams"
expect 65 2 inspect tail.tar.gz
says '4 bytes follow its gzip stream'
