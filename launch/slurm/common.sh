# shellcheck shell=bash
# Shared by the batch scripts; sourced after `set -euo pipefail` with `root` set to the checkout or packed folder.
#
# What the scripts promise: `--signal=B:USR1@180` reaches this shell three minutes before the time limit; it passes the
# signal on to the ranks, which save and end with 75; the job then puts itself back into the queue, and its next start
# goes on from there (--resume auto). A job that was cancelled is not put back.
#
#   DDLS_LAUNCHER         srun, mpirun, or auto (default: srun where Slurm has PMIx)
#   DDLS_SRUN_OPTIONS     added to srun's, for example "--cpu-bind=ldoms"
#   DDLS_MPIRUN_OPTIONS   instead of the binding options of mpirun, for example "--bind-to none"
#   DDLS_BINARY           the program (default: build/ddls_dist, or that of a packed folder)
#   DDLS_MAX_RESTARTS     how often a job may put itself back (default 100)

# shellcheck source=launch/lib.sh
source "$root/launch/lib.sh"
readonly stopped=75
complain() { printf '%s: %s\n' "${SLURM_JOB_NAME:-job}" "$*" >&2; }
give_up() {  # give_up CODE MESSAGE
  complain "$2"
  exit "$1"
}

[[ -n ${SLURM_JOB_ID:-} ]] || give_up 64 "this is a batch script: start it with sbatch"
# One task of an array by its own name: the number of the array means all of its tasks.
job_name=${SLURM_ARRAY_TASK_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}

find_binary() {
  local candidate
  for candidate in "${DDLS_BINARY:-}" "$root/build/ddls_dist" "$root/ddls_dist" "$(command -v ddls_dist || true)"; do
    if [[ -n $candidate && -x $candidate ]]; then
      realpath -s -- "$candidate"
      return
    fi
  done
  give_up 66 "there is no ddls_dist: run launch/setup.sh --program-only on a login node, or set DDLS_BINARY"
}

# The ranks of a node must all see all of its GPUs: a task shut into a cgroup with one GPU of its own loses peer-to-peer
# copies (or NCCL fails outright). Every rank takes the GPU of its number on the node.
check_gpus() {
  if [[ -n ${SLURM_GPUS_PER_TASK:-}${SLURM_TRES_PER_TASK:-} ]]; then
    complain "GPUs were asked for by task, which hides each from the others; --gpus-per-node=N --ntasks-per-node=N keeps peer-to-peer copies"
  fi
}

# What starts ranks, in the array `launcher`; "-n RANKS" has to follow.
choose_launcher() {
  local kind=${DDLS_LAUNCHER:-auto} cpus=${SLURM_CPUS_PER_TASK:-1} mpirun=mpirun extra=()
  if [[ -x $root/mpirun && -z ${DDLS_MPI:-} ]]; then mpirun=$root/mpirun; fi   # a packed folder brings its own
  if [[ $kind == auto ]]; then
    kind=mpirun
    if srun --mpi=list 2>&1 | grep -qw pmix; then kind=srun; fi
  fi
  case $kind in
    srun)
      read -ra extra <<<"${DDLS_SRUN_OPTIONS:-}"
      # Cores in order of sockets, so that the first half of a node's ranks lies near the first half of its GPUs. Since
      # Slurm 22.05 srun does not take --cpus-per-task from the allocation.
      launcher=(srun --mpi=pmix --gpu-bind=none --cpu-bind=cores --distribution=block:block
        --cpus-per-task="$cpus" --kill-on-bad-exit=1 "${extra[@]}") ;;
    mpirun)
      if [[ -n ${DDLS_MPIRUN_OPTIONS:-} ]]; then
        read -ra extra <<<"$DDLS_MPIRUN_OPTIONS"
      else
        extra=(--map-by "slot:PE=$cpus" --bind-to core)
      fi
      forward_variables
      launcher=("$mpirun" "${extra[@]}" -x OMP_NUM_THREADS -x OMP_WAIT_POLICY "${forwarded[@]}") ;;
    *) give_up 64 "DDLS_LAUNCHER is '$kind'; it is srun, mpirun or auto" ;;
  esac
}

# Preemption with Slurm's own requeue, and scancel, leave the job in another state: then it is not ours to put back.
still_running() { scontrol -o show job "$job_name" 2>/dev/null | grep -q ' JobState=RUNNING '; }

back_into_the_queue() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  if ! still_running; then
    complain "stopped with its state saved; not put back, since the job was cancelled or preempted"
  elif ((restarts >= ${DDLS_MAX_RESTARTS:-100})); then
    complain "stopped with its state saved; not put back, since it was started $((restarts + 1)) times (DDLS_MAX_RESTARTS)"
  elif scontrol requeue "$job_name"; then
    complain "stopped with its state saved; back in the queue"
    sleep 60  # Slurm ends this shell
  else
    complain "stopped with its state saved, but Slurm does not let it back into the queue: submit it again"
  fi
  exit $stopped
}

# start_processes ARGUMENTS...: as start_ranks, but every task is a process of its own with its own GPU, where there are some. One that is
# lost leaves its work to the others; then all start again, which costs no more than a look at what is there.
start_processes() {
  local cpus=${SLURM_CPUS_PER_TASK:-1} extra=()
  read -ra extra <<<"${DDLS_SRUN_OPTIONS:-}"
  launcher=(srun --mpi=none --gpu-bind=none --cpu-bind=cores --distribution=block:block --cpus-per-task="$cpus"
    --kill-on-bad-exit=0 --no-kill "${extra[@]}")
  # shellcheck disable=SC2016  # for the shell of each task
  each_task=(bash -c 'task=$SLURM_LOCALID
    unset "${!SLURM_@}" "${!PMI@}"   # or Open MPI would look for the other tasks
    if [[ -n ${CUDA_VISIBLE_DEVICES:-} ]]; then
      IFS=, read -ra gpus <<<"$CUDA_VISIBLE_DEVICES"
      export CUDA_VISIBLE_DEVICES=${gpus[task % ${#gpus[@]}]}
    fi
    exec "$@"' task)
  lost_are_replaced=true
  start_ranks "$@"
}

# start_ranks ARGUMENTS...: the program on all tasks of the allocation. Returns when it succeeded; else ends the script.
start_ranks() {
  local rc seen starts=0
  say_command "$@"
  until start_once "$@"; do
    starts=$((starts + 1))
    if ! $lost_are_replaced || ((rc != exit_runtime && rc <= 128)) || ((starts > ${DDLS_MAX_RESTARTS:-100})); then exit "$rc"; fi
    complain "a process was lost ($rc); all start again"
  done
}

start_once() {  # leaves the exit code in `rc`
  "${launcher[@]}" -n "$SLURM_NTASKS" "${each_task[@]}" "$binary" "$@" </dev/null &
  job=$!
  if ((signals > 0)); then kill -USR1 "$job" 2>/dev/null || true; fi  # it came between two steps
  while :; do  # `wait` returns early for every signal that the trap takes
    seen=$signals rc=0
    wait "$job" || rc=$?
    if ((signals == seen)); then break; fi
  done
  job=''
  # 138: the signal met a rank that was still loading its libraries. It had nothing to save.
  if ((rc == stopped || (signals > 0 && rc == 138))); then back_into_the_queue; fi
  ((rc == 0))
}

say_command() { printf '%s start %s: %s\n' "$(date -u +%FT%TZ)" "$((${SLURM_RESTART_COUNT:-0} + 1))" "${launcher[*]} -n $SLURM_NTASKS $binary $*"; }

signals=0 job='' each_task=() lost_are_replaced=false
# shellcheck disable=SC2317  # called by the trap
pass_on() {
  signals=$((signals + 1))
  if [[ -n $job ]] && ((signals == 1)); then kill -USR1 "$job" 2>/dev/null || true; fi
}
trap pass_on USR1 TERM

(($# > 0)) || give_up 64 "which configuration? sbatch [options] ${BASH_SOURCE[1]##*/} CONFIG [options of ddls_dist]"
[[ $1 == -* || -r $1 ]] || give_up 66 "there is no configuration '$1' (relative to $PWD)"
binary=$(find_binary)
check_gpus
choose_launcher
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
