#pragma once
// Life of MPI in this process. One object in main, first made, last destroyed; or `run_job`, which does what main has
// to.
#include <mpi.h>

#include <functional>
#include <string>

#include "dist/watchdog.hpp"

namespace ddls::dist {

// How long ranks wait for each other, in seconds; 0: for ever.
struct JobLimits {
  double start = 0;     // in MPI_Init and until there is a Communicator
  double end = 0;       // in MPI_Finalize, to which all come from their last collective
  bool one_job = true;  // separate tasks are refused; false: for what one process does as well, in a batch script, say
};

// Of a process that MPI has not told its rank, or never will: what the launcher says; 0 without one.
int rank_by_launcher();

class Environment {
 public:
  // MPI_Init_thread(SERIALIZED). Throws Error(config) where the launcher started several tasks that MPI does not see as
  // one job (OMPI_COMM_WORLD_SIZE, or else PMI_SIZE and SLURM_NTASKS, against the size of MPI_COMM_WORLD), with the
  // cure in the message, unless limits.one_job is false. MPI_COMM_WORLD returns errors from here on. Where ranks do not
  // all come to MPI_Init, or to MPI_Finalize, within the limits, the watchdog ends the process.
  Environment(int& argc, char**& argv, JobLimits limits = {});
  // Finalizes; while an exception unwinds it aborts (exit code 70) instead, since MPI_Finalize would wait for ranks
  // that are not coming.
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  // What the constructor throws, where limits.one_job lets it pass; else empty.
  const std::string& launcher_mismatch() const { return mismatch_; }
  Watchdog& watchdog() { return dog_; }  // for what is done before there is a Communicator
  // Ends the whole job with this exit code, at once.
  [[noreturn]] static void abort(int exit_code);

 private:
  int rank_ = 0, ranks_ = 1, exceptions_ = 0;
  std::string mismatch_;
  JobLimits limits_;
  Watchdog dog_;
};

// Makes the Environment, runs `body` and returns the exit code for main. A CollectiveError is told by rank 0, and all
// ranks finalize and return its code. Any other exception is told by the rank that has it, which then ends the job.
int run_job(int& argc, char**& argv, const std::function<int(Environment&)>& body, JobLimits limits = {});

}  // namespace ddls::dist
