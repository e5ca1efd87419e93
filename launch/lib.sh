# shellcheck shell=bash
# Shared by the launch scripts; sourced after `set -euo pipefail`.
# shellcheck disable=SC2034  # used by those that source this

ddls_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps_dir=$(realpath -m -- "${DDLS_DEPS:-$ddls_root/.deps}")   # LibTorch; may be shared by several checkouts
build_dir=$ddls_root/build
binary=$build_dir/ddls_dist
log_dir=$ddls_root/.deps/log
torch_version=2.11.0

readonly exit_usage=64 exit_missing=66 exit_runtime=71 exit_config=78   # the same meanings as the binary's

say() { printf '%s\n' "$*"; }
die() {  # die CODE MESSAGE
  printf '%s: %s\n' "$(basename "$0")" "$2" >&2
  exit "$1"
}

smaller() { if (($1 < $2)); then echo "$1"; else echo "$2"; fi; }

# Cores this process may use: its affinity, cut down to a container's CPU quota.
usable_cores() {
  local cores quota period
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)   # nproc obeys both
  if [[ -r /sys/fs/cgroup/cpu.max ]] && read -r quota period </sys/fs/cgroup/cpu.max && [[ $quota != max ]]; then
    cores=$(smaller "$cores" $(((quota + period - 1) / period)))
  fi
  echo "$cores"
}

# Hyperthreads share their core's arithmetic units, so ranks are counted by cores. Open MPI counts its slots alike.
usable_physical_cores() {
  local physical
  physical=$(lscpu -p=Core,Socket 2>/dev/null | grep -v '^#' | sort -u | wc -l) || physical=0
  ((physical > 0)) || physical=$(usable_cores)
  smaller "$(usable_cores)" "$physical"
}

# Memory that can still be had, in MB: the machine's, cut down to a container's limit.
available_memory_mb() {
  local megabytes limit current
  megabytes=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
  if [[ -r /sys/fs/cgroup/memory.max && -r /sys/fs/cgroup/memory.current ]]; then
    limit=$(cat /sys/fs/cgroup/memory.max) current=$(cat /sys/fs/cgroup/memory.current)
    [[ $limit == max ]] || megabytes=$(smaller "$megabytes" $(((limit - current) / 1048576)))
  fi
  echo "$megabytes"
}

# usable_by_memory WANTED MB_EACH: as many as fit, at least one.
usable_by_memory() {
  local fit=$(($(available_memory_mb) / $2))
  ((fit > 0)) || fit=1
  smaller "$1" "$fit"
}

# How many GPUs a program started here would see. CUDA reads CUDA_VISIBLE_DEVICES up to the first entry that is neither a number nor
# an id: -1, NoDevFiles (Slurm's word for none) and nothing hide them all.
visible_gpus() {
  local entry entries count=0
  if [[ -z ${CUDA_VISIBLE_DEVICES+set} ]]; then
    { nvidia-smi -L 2>/dev/null || true; } | grep -c '^GPU ' || true
    return
  fi
  IFS=, read -ra entries <<<"$CUDA_VISIBLE_DEVICES"
  for entry in "${entries[@]}"; do
    [[ $entry =~ ^\ *([0-9]+|(GPU|MIG)-.*)$ ]] || break
    count=$((count + 1))
  done
  echo "$count"
}

# The array `forwarded`: mpirun's options that take what NCCL and UCX read along to other nodes. It does not by itself where it starts
# ranks over ssh, and ranks that differ in NCCL_ALGO or NCCL_SOCKET_IFNAME wait for each other for ever.
forward_variables() {
  local name
  forwarded=()
  for name in $(compgen -e); do
    if [[ $name == NCCL_* || $name == UCX_* ]]; then forwarded+=(-x "$name"); fi
  done
}

# While a long command writes its log: the log's last line on a terminal, else a sign of life every minute.
watch_log() {  # watch_log LOG PARENT-PID
  local start=$SECONDS line
  while sleep 0.5 && kill -0 "$2" 2>/dev/null; do
    if [[ -t 1 ]]; then
      line=$(tail -n 1 "$1" 2>/dev/null | tr -dc '[:print:]')
      printf '\r\033[K      %3d s  %.80s' $((SECONDS - start)) "$line"
    elif (((SECONDS - start) / 60 > ${minutes:=0})); then
      minutes=$(((SECONDS - start) / 60))
      printf '      %3d s  %s\n' $((SECONDS - start)) "$(tail -n 1 "$1" | cut -c 1-100)"
    fi
  done
}

# run_logged NAME COMMAND...: the output goes to a file, whose end is shown if the command fails.
run_logged() {
  local log=$log_dir/$1.log watcher rc=0
  shift
  mkdir -p "$log_dir"
  : >"$log"
  watch_log "$log" $$ &
  watcher=$!
  "$@" >"$log" 2>&1 || rc=$?
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  if [[ -t 1 ]]; then printf '\r\033[K'; fi
  if ((rc != 0)); then
    printf '      failed (exit %d); the end of %s:\n' "$rc" "$log" >&2
    tail -n 40 "$log" >&2
  fi
  return "$rc"
}
