# The batch scripts in a real Slurm: two nodes on this machine. A pipeline over both nodes and one under srun are stopped by the
# signal that comes before a time limit, put themselves back, and end with the bytes of an undisturbed run; so does a chain of
# training, a sampling array (one task of which is stopped too) and evaluation. And the scaling study.
export PATH=$PATH:/usr/sbin:/sbin
for command in slurmctld slurmd munged sbatch; do
  if ! command -v "$command" >/dev/null; then
    echo "skipped: there is no $command (launch/test.sh installs slurmctld, slurmd, slurm-client and munge where it may)"
    exit 77
  fi
done
# In a process namespace of its own, where one can be had, nothing outlives the test, not even after a kill.
if [[ -z ${DDLS_OWN_NAMESPACE:-} ]] && unshare --pid --fork --kill-child --mount-proc true 2>/dev/null; then
  DDLS_OWN_NAMESPACE=1 exec unshare --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
source "$(dirname "$0")/lib.sh"
source "$here/../slurm/cluster.sh"
jobs_of=$here/../../launch/slurm

# Ten seconds of training and as many of sampling on a fast processor: a signal takes Slurm a second or two, and must hit both.
sed -i 's/steps: 12$/steps: 2000/; s/log_every: 4/log_every: 100/; s/checkpoint_every: 4/checkpoint_every: 200/; s/grid_every: 6/grid_every: 1000/
  s/count: 50/count: 72/; s/record_every: 2/record_every: 500/; s/snapshot_every: 3/snapshot_every: 2000/; s/ddls: {steps: 6/ddls: {steps: 4000/' small.yaml
on 2 --config small.yaml --out whole >out 2>err || { cat err >&2; fail "undisturbed run"; }
hashes whole >whole.hashes

trap stop_cluster EXIT
if ! start_cluster; then
  tail -n 5 "$cluster_dir"/*.log "$cluster_dir"/*.out
  echo "skipped: Slurm does not start here (see above)"
  exit 77
fi

# No machine, no user of this test has settings for jobs; what ctest set for mpirun is kept but for the number of slots.
unset OMPI_MCA_rmaps_base_oversubscribe
export DDLS_BINARY=$binary DDLS_MPIRUN_OPTIONS="--bind-to none --mca btl tcp,self --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo"
exists() { compgen -G "$1" >/dev/null; }
job_is() { [[ $(scontrol -o show job "$1" | head -1) == *" JobState=$2 "* ]]; }
restarts_of() { scontrol -o show job "$1" | sed -n '1s/.* Restarts=\([0-9]*\).*/\1/p'; }
output_of() {  # what a job printed, and what Slurm thinks of it
  cat "$scratch"/*-"$1".out >&2 || true
  scontrol -o show job "$1" >&2 || true
  sinfo --noheader --Node --format='node %n is %T' >&2 || true
  tail -n 20 "$cluster_dir/slurmctld.log" >&2 || true
}

# stop_when JOB PATTERN: sends what Slurm sends before a time limit as soon as the file is there, and waits for the restart.
stop_when() {
  local before
  before=$(restarts_of "$1")
  wait_until 240 exists "$2" || { output_of "$1"; fail "job $1 made no $2"; }
  scancel --batch --signal=USR1 "$1"
  wait_until 120 restarted "$1" "$before" || { output_of "$1"; fail "job $1 did not go back into the queue"; }
  wait_until 120 runs_again "$1" || { output_of "$1"; fail "job $1 stays in the queue"; }
}
restarted() { (($(restarts_of "$1") > $2)); }
# Slurm lets a job that was put back wait two minutes. Three seconds are enough; at once, its credential would be refused as the
# one that was revoked.
runs_again() {
  if [[ ${hurried:-} != "$1 $(restarts_of "$1")" ]] && job_is "$1" PENDING && scontrol update JobId="$1" StartTime=now+3 2>/dev/null; then
    hurried="$1 $(restarts_of "$1")"
  fi
  ! job_is "$1" PENDING && ! job_is "$1" COMPLETING
}
finish() {  # finish JOB
  wait_until 300 ended "$1" || { output_of "$1"; fail "job $1 does not end"; }
  job_is "$1" COMPLETED || { output_of "$1"; fail "job $1: $(scontrol -o show job "$1")"; }
}
ended() { [[ ! $(scontrol -o show job "$1" | head -1) =~ \ JobState=(RUNNING|PENDING|COMPLETING|CONFIGURING|REQUEUED)\  ]]; }
same_bytes() { hashes "$1" | cmp whole.hashes - || fail "$1: other bytes than the undisturbed run"; }

# 1. mpirun over two nodes, stopped in training and in sampling
job=$(DDLS_LAUNCHER=mpirun sbatch --parsable --nodes=2 --ntasks=2 "$jobs_of/pipeline.sbatch" small.yaml --out two_nodes)
stop_when "$job" 'two_nodes/checkpoints/step-*'
stop_when "$job" 'two_nodes/samples/ddls/blocks/block-000002.safetensors'
finish "$job"
[[ $(restarts_of "$job") == 2 ]] || fail "job $job was restarted $(restarts_of "$job") times, not twice"
grep -q '"ranks": 2' two_nodes/run.json || fail "the two nodes did not make one MPI job"
grep -q 'stopped by a signal' "ddls-pipeline-$job.out" || { output_of "$job"; fail "nobody said that the run was stopped"; }
same_bytes two_nodes

# 2. srun --mpi=pmix on one node, while a chain of jobs runs on the other: training, an array, evaluation
pmix=no
if srun --mpi=list 2>&1 | grep -qw pmix; then pmix=yes; fi
if [[ $pmix == yes ]]; then
  job=$(DDLS_LAUNCHER=srun sbatch --parsable --nodes=1 --ntasks=2 "$jobs_of/pipeline.sbatch" small.yaml --out by_srun)
  stop_when "$job" 'by_srun/checkpoints/step-*'
fi
read -r train sample evaluate < <(DDLS_LAUNCHER=mpirun bash "$jobs_of/submit.sh" small.yaml --shards 3 --ntasks=1 -- --out chain)
stop_when "${sample}_1" 'chain/samples/ddls/blocks/block-00000[3-5].safetensors'
finish "$evaluate"
for task in 0 1 2; do job_is "${sample}_$task" COMPLETED || fail "task $task of the array: $(scontrol -o show job "${sample}_$task")"; done
job_is "$train" COMPLETED || fail "training of the chain"
same_bytes chain
if [[ $pmix == yes ]]; then
  finish "$job"
  grep -q '"ranks": 2' by_srun/run.json || fail "srun's tasks are not one MPI job"
  same_bytes by_srun
fi
python3 - <<'PY' || fail "the report of the chain"
import json
whole, chain = (json.load(open(f"{name}/report.json")) for name in ("whole", "chain"))
for method in whole["methods"]:
    a, b = (r["methods"][method]["metrics"]["frechet_distance"] for r in (whole, chain))
    assert abs(a - b) <= 1e-6 * a, (method, a, b)
assert chain["methods"]["ddls"]["chain_steps_per_second"] > 0 and set(chain["seconds"]) >= {"train", "sample", "evaluate"}
PY

# 3. sampling by processes of their own over two nodes, one of which is killed
cp -r whole lost
rm -r lost/samples
job=$(DDLS_SURVIVE=1 sbatch --parsable --nodes=2 --ntasks=2 "$jobs_of/sample.sbatch" small.yaml --out lost)
wait_until 240 exists 'lost/samples/ddls/blocks/block-*.safetensors' || { output_of "$job"; fail "job $job made no block"; }
pkill -KILL --newest --full -- '--shard free --out lost' || fail "there is no process to kill"
finish "$job"
grep -q 'a process was lost (137); all start again' "ddls-sample-$job.out" || { output_of "$job"; fail "nobody said that a process was lost"; }
on 1 sample --config small.yaml --out lost >out 2>err || { cat err >&2; fail "the blocks of job $job"; }
same_bytes lost

# 4. the scaling study, with the launcher of the other jobs
launcher=mpirun
if [[ $pmix == yes ]]; then launcher=srun; fi
job=$(DDLS_LAUNCHER=$launcher sbatch --parsable --nodes=1 --ntasks=2 "$jobs_of/scaling.sbatch" small.yaml --ranks "1 2" --only sampling \
  --steps 1 --rounds 1 --rank-batch 8 --out study)
finish "$job"
python3 -c 'import csv; assert {row["ranks"] for row in csv.DictReader(open("study/scaling.csv"))} == {"1", "2"}' || { output_of "$job"; fail "the scaling study"; }

# 5. a cancelled job stays cancelled
job=$(DDLS_LAUNCHER=mpirun sbatch --parsable --ntasks=1 "$jobs_of/train.sbatch" small.yaml --out cancelled --set train.steps=100000)
wait_until 240 exists 'cancelled/checkpoints/step-*' || { output_of "$job"; fail "job $job wrote no checkpoint"; }
scancel --full "$job"
wait_until 120 job_is "$job" CANCELLED || fail "a cancelled job: $(scontrol -o show job "$job")"

# 6. what a batch script refuses
job=$(sbatch --parsable "$jobs_of/train.sbatch" nowhere.yaml)
wait_until 120 ended "$job"
grep -q "there is no configuration 'nowhere.yaml'" "ddls-train-$job.out" || { output_of "$job"; fail "a missing configuration"; }
scontrol -o show job "$job" | grep -q ' ExitCode=66:0 ' || fail "exit code of a missing configuration"
