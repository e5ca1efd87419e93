#pragma once
// Life of MPI in this process. One object in main, first made, last destroyed.
#include <mpi.h>

#include <string>

namespace ddls {

class Environment {
 public:
  // MPI_Init_thread(FUNNELED). Throws Error(config) where the launcher started several tasks that MPI does not see as one
  // job (SLURM_NTASKS, OMPI_COMM_WORLD_SIZE, PMI_SIZE against the size of MPI_COMM_WORLD), with the cure in the message.
  Environment(int& argc, char**& argv);
  // Finalizes; while an exception unwinds it aborts instead, since MPI_Finalize would wait for ranks that are not coming.
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  // Ends the whole job with this exit code, at once.
  [[noreturn]] static void abort(int exit_code);

 private:
  int rank_ = 0, ranks_ = 1;
};

}  // namespace ddls
