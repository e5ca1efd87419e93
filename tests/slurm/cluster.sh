# shellcheck shell=bash
# A two-node Slurm of one's own on this machine, without touching the system's: own munge key and socket, own ports, own state.
# Sourced. start_cluster sets SLURM_CONF and cluster_dir; stop_cluster ends every process that it started.

cluster_daemons=()

start_cluster() {  # returns 1 if it does not come up; the logs lie in $cluster_dir
  local here ports
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  cluster_dir=$(mktemp -d /tmp/ddls_slurm.XXXXXX)   # short: sockets lie in it
  chmod 755 "$cluster_dir"
  mkdir -p "$cluster_dir"/state "$cluster_dir"/spool/n1 "$cluster_dir"/spool/n2
  read -ra ports <<<"$(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PY
)"
  sed -e "s|@HOST@|$(hostname -s)|g" -e "s|@DIR@|$cluster_dir|g" -e "s|@USER@|$(id -un)|g" \
    -e "s|@PORT0@|${ports[0]}|g" -e "s|@PORT1@|${ports[1]}|g" -e "s|@PORT2@|${ports[2]}|g" \
    "$here/slurm.conf.in" >"$cluster_dir/slurm.conf"
  export SLURM_CONF=$cluster_dir/slurm.conf
  (umask 077 && head -c 128 /dev/urandom >"$cluster_dir/munge.key")
  munged --foreground --force --key-file="$cluster_dir/munge.key" --socket="$cluster_dir/munge.socket" \
    --pid-file="$cluster_dir/munge.pid" --log-file="$cluster_dir/munge.log" --seed-file="$cluster_dir/munge.seed" \
    >"$cluster_dir/munge.out" 2>&1 &
  cluster_daemons+=($!)
  wait_until 10 test -S "$cluster_dir/munge.socket" || return 1
  slurmctld -D >"$cluster_dir/slurmctld.out" 2>&1 &
  cluster_daemons+=($!)
  local node
  for node in n1 n2; do
    slurmd -D -N "$node" >"$cluster_dir/slurmd.$node.out" 2>&1 &
    cluster_daemons+=($!)
  done
  wait_until 60 nodes_are_idle
}

nodes_are_idle() { [[ $(timeout 5 sinfo -h -o '%t %D' 2>/dev/null) == 'idle 2' ]]; }

wait_until() {  # wait_until SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

no_jobs() { [[ -z $(timeout 5 squeue -h 2>/dev/null) ]]; }

stop_cluster() {
  [[ -n ${cluster_dir:-} ]] || return 0
  if ! no_jobs; then
    timeout 5 scancel --full --user="$(id -un)" 2>/dev/null || true
    wait_until 10 no_jobs || true
  fi
  local daemon
  for daemon in "${cluster_daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  for daemon in "${cluster_daemons[@]}"; do
    timeout 5 tail --pid="$daemon" -f /dev/null || kill -KILL "$daemon" 2>/dev/null || true
  done
  rm -rf "$cluster_dir"
  cluster_dir='' cluster_daemons=()
}
