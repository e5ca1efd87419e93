#!/usr/bin/env bash
# Two hosts on one machine, for what a network costs: tests/network/two_hosts.sh RATE COMMAND...
#
# Two network namespaces with a link of RATE each way (tc tbf: 10gbit, 1gbit, 100mbit; "none": as fast as the kernel copies). COMMAND
# runs in the first, and finds in DDLS_MPI_COMMAND an mpirun that puts ranks on both in turn, over TCP alone. Needs root, ip and tc.
#   tests/network/two_hosts.sh 1gbit launch/scaling.sh configs/cifar10-sndcgan.yaml --ranks "1 2" --out runs/1gbit
set -euo pipefail
(($# >= 2)) || { sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0" >&2; exit 64; }
rate=$1
shift
folder=$(mktemp -d)
name=ddls$$
trap 'for host in 1 2; do ip netns delete "$name-$host" 2>/dev/null || true; done; rm -rf "$folder"' EXIT

for host in 1 2; do
  ip netns add "$name-$host"
  ip -n "$name-$host" link set lo up
done
ip link add "$name" netns "$name-1" type veth peer name "$name" netns "$name-2"
for host in 1 2; do
  ip -n "$name-$host" address add "10.77.0.$host/24" dev "$name"
  ip -n "$name-$host" link set "$name" up
  # A burst holds a segment as large as TCP hands over at once.
  [[ $rate == none ]] || tc -n "$name-$host" qdisc add dev "$name" root tbf rate "$rate" burst 256kb latency 100ms
done

cat >"$folder/enter" <<SH
#!/bin/sh
# In the place of ssh: HOST COMMAND...
while case \$1 in -*) true ;; *) false ;; esac; do shift; done
host=\${1##*.}
shift
exec ip netns exec "$name-\$host" sh -c "\$*"
SH
chmod +x "$folder/enter"

subnet=10.77.0.0/24
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export DDLS_MPI_COMMAND="mpirun --bind-to none --map-by node --host 10.77.0.1:8,10.77.0.2:8 --mca plm_rsh_agent $folder/enter
  --mca btl tcp,self --mca btl_tcp_if_include $subnet --mca oob_tcp_if_include $subnet -x OMP_NUM_THREADS"
DDLS_MPI_COMMAND=${DDLS_MPI_COMMAND//$'\n'/ }
ip netns exec "$name-1" "$@"
