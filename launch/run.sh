#!/usr/bin/env bash
# One configuration from set-up to report: launch/run.sh CONFIG [-np N] [--restarts N] [--survive] [options of ddls_dist]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'USAGE'
usage: launch/run.sh CONFIG [-np N] [--restarts N] [--survive] [options of ddls_dist]

Builds ddls_dist if need be, gets the data set that CONFIG names, runs the whole pipeline under mpirun and says where
the report lies. N: one rank per GPU, or one per core where there is none, as far as the memory goes.
Ctrl-C, SIGTERM and SIGUSR1 stop the run with its state saved (exit code 75); the same command goes on from there.
A second Ctrl-C ends it at once. OMP_NUM_THREADS (threads of each rank) is 1 unless it is set.

  --restarts N   a run that lost a rank (killed, hung, its GPU or its disk failed) starts again from what it saved, at most N times
  --survive      sampling outlives its ranks: they draw as N processes of their own, which share the blocks of chains by claims in
                 the run folder, and whichever is lost, the others make its block. The bytes are the same.
USAGE
}

config='' ranks='' options=() restarts=0 survive=false
while (($# > 0)); do
  case $1 in
    -np | -n)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die $exit_usage "$1 needs a number of ranks"
      ranks=$2
      shift ;;
    --restarts)
      [[ ${2:-} =~ ^[0-9]+$ ]] || die $exit_usage "--restarts needs a number"
      restarts=$2
      shift ;;
    --survive) survive=true ;;
    --help | -h) usage; exit 0 ;;
    *)
      if [[ -n $config ]]; then
        options+=("$1")
      elif [[ $1 == -* ]]; then
        die $exit_usage "the configuration comes before '$1'; see --help"
      else
        config=$1
      fi ;;
  esac
  shift
done
[[ -n $config ]] || die $exit_usage "which configuration? see --help and configs/"
[[ -r $config ]] || die $exit_missing "there is no configuration '$config' (relative to $PWD)"

# names_data CONFIG NAME: do its images come from data/NAME? The first file that gives data.train decides, from it along `base:`.
names_data() {
  local file=$1 base depth
  if [[ " ${options[*]} " == *" data.train="* || " ${options[*]} " == *"=data.train="* ]]; then return 1; fi
  for ((depth = 0; depth < 16; ++depth)); do
    if grep -qsE '^[^#]*\btrain:[[:space:]]*[^[:space:]{#]' "$file"; then
      grep -qsE "^[^#]*\btrain:[[:space:]]*[^[:space:]{#]*data/$2" "$file"
      return
    fi
    base=$(sed -n "s/^base:[[:space:]]*[\"']\{0,1\}\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" "$file" 2>/dev/null || true)
    [[ -n $base ]] || return 1
    if [[ $base == /* ]]; then file=$base; else file=$(dirname "$file")/$base; fi
  done
  return 1
}

prepare() {
  local complete=$build_dir/.setup-complete newer=first
  if [[ -x $binary && -e $complete ]]; then
    newer=$(find "$ddls_root"/{src,cmake,CMakeLists.txt,CMakePresets.json} -newer "$complete" -print -quit)
  fi
  local arguments=()
  if [[ -n $newer ]]; then arguments+=(--program-only); fi
  if names_data "$config" fashion-mnist && [[ ! -e $ddls_root/data/fashion-mnist/train-images-idx3-ubyte.gz ]]; then
    arguments+=(--data fashion-mnist)
    if [[ -z $newer ]]; then arguments+=(--no-build); fi
  fi
  if ((${#arguments[@]} > 0)); then "$ddls_root/launch/setup.sh" "${arguments[@]}"; fi
}

gpus() {
  if [[ " ${options[*]} " =~ \ --device[=\ ]cpu\  ]]; then echo 0; else visible_gpus; fi
}

# Where the binary puts the run: it knows the defaults, so it is asked.
report_path() {
  local option previous='' out='' resolved
  for option in "${options[@]}"; do
    if [[ $previous == --out ]]; then out=$option; fi
    if [[ $option == --out=* ]]; then out=${option#--out=}; fi
    previous=$option
  done
  if [[ -z $out ]]; then
    resolved=$(env -u SLURM_NTASKS -u PMI_SIZE "$binary" config --config "$config" "${options[@]}" 2>/dev/null) || return 0
    out=$(awk '$1 == "output:" {inside = 1} inside && $1 == "directory:" {print $2; exit}' <<<"$resolved" | tr -d "\"'")
    [[ -n $out && $out != \#* ]] || out=runs/$(awk '$1 == "name:" {print $2; exit}' <<<"$resolved" | tr -d "\"'")
  fi
  echo "$out/report.html"
}

prepare
cores=$(usable_physical_cores)
gpu_count=$(gpus)
if [[ -z $ranks ]]; then
  if [[ -n ${SLURM_NTASKS:-} ]]; then
    ranks=$SLURM_NTASKS
  elif ((gpu_count > 0)); then
    ranks=$gpu_count
  else
    ranks=$(usable_by_memory "$cores" 1000)
  fi
fi

if $survive && ((${SLURM_NNODES:-1} > 1)); then
  die $exit_usage "--survive starts its processes on this machine alone; over several nodes: DDLS_SURVIVE=1 with launch/slurm/sample.sbatch"
fi

mpi_arguments=(-np "$ranks" --bind-to none)
if [[ -z ${SLURM_NTASKS:-} ]]; then
  mpi_arguments+=(-q)   # or twelve lines about the exit code would follow the one message that matters
  if ((ranks > cores)); then
    say "$ranks ranks on $cores cores: they will share them"
    mpi_arguments+=(--oversubscribe)
  fi
fi
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
forward_variables
mpi_arguments+=(-x OMP_NUM_THREADS -x OMP_WAIT_POLICY "${forwarded[@]}")

if [[ -t 2 ]]; then export DDLS_TERMINAL=1; fi

# The jobs that run now, and how many signals came.
jobs_now=() signals=0
# shellcheck disable=SC2317  # called by the traps
stop() {
  local job
  signals=$((signals + 1))
  if ((signals == 1)); then say "stopping: the state is being saved (again to end at once)" >&2; fi
  for job in "${jobs_now[@]}"; do
    if ((signals == 1)); then
      kill -USR1 "$job" 2>/dev/null || true
    elif [[ $1 != USR1 ]]; then
      kill -TERM "$job" 2>/dev/null || true
    fi
  done
}
for signal in INT TERM HUP USR1; do
  # shellcheck disable=SC2064  # the name of the signal is meant now
  trap "stop $signal" "$signal"
done

# await JOB: its exit code in `rc`. `wait` returns early for each signal that the trap takes.
await() {
  local seen
  while :; do
    seen=$signals rc=0
    wait "$1" || rc=$?
    if ((signals == seen)); then break; fi
  done
}

# on_all_ranks ARGUMENTS...: the program as one MPI job, started again as often as --restarts allows; the exit code in `rc`. A session of
# its own keeps a terminal's Ctrl-C from mpirun, which would end the ranks before they can save. mpirun passes SIGUSR1 on to them and waits.
on_all_ranks() {
  say "mpirun ${mpi_arguments[*]} ${binary#"$PWD"/} $*"
  while :; do
    setsid mpirun "${mpi_arguments[@]}" "$binary" "$@" </dev/null &
    jobs_now=($!)
    if ((signals > 0)); then kill -USR1 "${jobs_now[0]}" 2>/dev/null || true; fi   # it came between two jobs
    await "${jobs_now[0]}"
    jobs_now=()
    # 71: a rank hung, or MPI, NCCL, CUDA or a disk failed. Above 128: killed. All else would happen again.
    if ((signals > 0 || restarts == 0 || (rc != exit_runtime && rc <= 128))); then return; fi
    restarts=$((restarts - 1))
    say "ended with $rc: it starts again from what it saved ($restarts more times)" >&2
  done
}

# sampling_processes ARGUMENTS...: `sample --shard free` in as many processes, each with the GPU of its number where there are some. In
# `rc` 0 where at least one came to the end, and with that all blocks are there.
sampling_processes() {
  local i gpu_list=() codes='' best=''
  IFS=, read -ra gpu_list <<<"${CUDA_VISIBLE_DEVICES:-$(seq -s, 0 $((gpu_count > 0 ? gpu_count - 1 : 0)))}"
  say "${binary#"$PWD"/} sample --shard free $*, in $ranks processes"
  for ((i = 0; i < ranks; ++i)); do
    local own=() level=()
    if ((gpu_count > 0)); then own=("CUDA_VISIBLE_DEVICES=${gpu_list[i % gpu_count]}"); fi
    if ((i > 0)); then level=(--log-level warning); fi
    (
      unset "${!SLURM_@}" "${!PMI@}"   # as in slurm/common.sh: or Open MPI would look for the other tasks
      exec setsid env "${own[@]}" "$binary" sample --shard free "$@" "${level[@]}" </dev/null
    ) &
    jobs_now+=($!)
  done
  local all=("${jobs_now[@]}") left=("${!jobs_now[@]}") still
  while ((${#left[@]} > 0)); do
    still=()
    for i in "${left[@]}"; do
      if kill -0 "${all[i]}" 2>/dev/null; then
        still+=("$i")
        continue
      fi
      await "${all[i]}"
      codes+=" $rc"
      if [[ -z $best || $rc == 0 || ($best -gt 128 && $rc -le 128) ]]; then best=$rc; fi
      if ((rc > 128 && signals == 0 && best != 0)); then say "sampling process $i was lost ($rc); the others make its block" >&2; fi
    done
    left=("${still[@]}")
    if [[ $best == 0 ]] && ((${#left[@]} > 0)); then   # all blocks are there: the others see that now, or were stopped
      sleep 2
      for i in "${left[@]}"; do kill -KILL "${all[i]}" 2>/dev/null || true; done
    fi
    sleep 0.2
  done
  jobs_now=()
  rc=$best
  if ((rc != 0)); then say "no sampling process came to the end (exit codes$codes)" >&2; fi
}

rc=0
if $survive; then
  on_all_ranks train --config "$config" "${options[@]}"
  if ((rc == 0)); then sampling_processes --config "$config" "${options[@]}"; fi
fi
if ((rc == 0)); then on_all_ranks --config "$config" "${options[@]}"; fi
trap - INT TERM HUP USR1

if ((rc == 0)); then
  report=$(report_path)
  if [[ -e $report ]]; then say "report: $(realpath "$report")"; fi
elif ((rc == 137)); then
  say "a rank was killed (137), perhaps for want of memory: try fewer ranks with -np" >&2
elif [[ ! $rc =~ ^(64|65|66|70|71|75|78)$ ]]; then
  say "mpirun ended with $rc; without -q it says more" >&2
fi
exit "$rc"
