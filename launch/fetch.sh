#!/usr/bin/env bash
# Canonical weights and data sets, for machines with a network. Every file is checked against its published digest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
usage: launch/fetch.sh NAME... [--to FOLDER]      default folder: data/NAME in the checkout (cifar10: data)
                                                  several names: FOLDER/NAME for each

  mnist          idx files (data.kind: idx)
  fashion-mnist  idx files
  cifar10        binary version, unpacked
  inception      weights of the 2015 Inception network; make an extractor of them with
                 tools/export_extractor.py inception WEIGHTS.pth inception.pt2

A file that is there and whole is not fetched again. ddls_dist also takes NVIDIA's inception-2015-12-05.pt as it is; its
publisher gives no digest, so this script does not fetch it.
TEXT
}

mnist=https://ossci-datasets.s3.amazonaws.com/mnist
fashion=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
# URL and digest of every file of a set: "md5:" whole, "sha256:" whole or its beginning (the digest in the file's name).
files_of() {
  case $1 in
    mnist) cat <<TEXT
$mnist/train-images-idx3-ubyte.gz md5:f68b3c2dcbeaaa9fbdd348bbdeb94873
$mnist/train-labels-idx1-ubyte.gz md5:d53e105ee54ea40749a09fcbcd1e9432
$mnist/t10k-images-idx3-ubyte.gz md5:9fb629c4189551a2d022fa330f9573f3
$mnist/t10k-labels-idx1-ubyte.gz md5:ec29112dd5afa0611ce80d1b7f02629c
TEXT
      ;;
    fashion-mnist) cat <<TEXT
$fashion/train-images-idx3-ubyte.gz md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d
$fashion/train-labels-idx1-ubyte.gz md5:25c81989df183df01b3e8a0aad5dffbe
$fashion/t10k-images-idx3-ubyte.gz md5:bef4ecab320f06d8554ea6380940ec79
$fashion/t10k-labels-idx1-ubyte.gz md5:bb300cfdad3c16e7a12a480ee83cd310
TEXT
      ;;
    cifar10) echo "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz md5:c32a1d4ab5d03f1284b67883e8d87530" ;;
    inception) echo "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth sha256:6726825d" ;;
    *) die $exit_usage "there is no '$1' to fetch (launch/fetch.sh --help)" ;;
  esac
}

is_whole() {  # is_whole FILE KIND:DIGEST
  local sum
  sum=$("${2%%:*}sum" <"$1")
  [[ $sum == "${2#*:}"* ]]
}

download() {  # download URL FILE: to FILE.partial, continuing what is there
  if command -v curl >/dev/null; then
    curl --fail --location --silent --show-error --retry 2 --connect-timeout 20 --continue-at - --output "$2.partial" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries=2 --timeout=20 --continue --output-document="$2.partial" "$1"
  else
    die $exit_missing "neither curl nor wget is there to download with"
  fi
}

fetch_file() {  # fetch_file URL DIGEST FOLDER
  local file=$3/${1##*/}
  if [[ -e $file ]] && is_whole "$file" "$2"; then
    say "  ${1##*/}: there"
    return
  fi
  say "  ${1##*/}"
  download "$1" "$file" ||
    die $exit_runtime "cannot download $1. Without a network: get the file elsewhere, put it into $3, and run this again to check it."
  if ! is_whole "$file.partial" "$2"; then
    rm -f "$file.partial"
    die 65 "$1 arrived damaged, or is not the file it was: its ${2%%:*} sum does not begin with ${2#*:}"
  fi
  mv "$file.partial" "$file"
}

fetch_set() {  # fetch_set NAME FOLDER
  local url digest list
  list=$(files_of "$1")
  mkdir -p "$2"
  say "$1 -> $2"
  while read -r url digest; do
    fetch_file "$url" "$digest" "$2"
    if [[ $url == *.tar.gz ]]; then tar -xzf "$2/${url##*/}" -C "$2"; fi
  done <<<"$list"
}

names=() folder=''
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --to) folder=${2:?--to needs a folder}; shift ;;
    -*) die $exit_usage "$1 is not an option (launch/fetch.sh --help)" ;;
    *) names+=("$1") ;;
  esac
  shift
done
((${#names[@]})) || { usage >&2; exit $exit_usage; }
for name in "${names[@]}"; do files_of "$name" >/dev/null; done   # all names before any work
for name in "${names[@]}"; do
  default=$ddls_root/data/$name
  if [[ $name == cifar10 ]]; then default=$ddls_root/data; fi   # its archive brings cifar-10-batches-bin, which the recipes name
  if [[ -z $folder ]]; then
    fetch_set "$name" "$default"
  elif ((${#names[@]} > 1)); then
    fetch_set "$name" "$folder/$name"
  else
    fetch_set "$name" "$folder"
  fi
done
