#include "dist/environment.hpp"

#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "dist/check.hpp"
#include "dist/failure.hpp"

namespace ddls::dist {
namespace {

struct LauncherClaim {
  const char* variable = nullptr;
  int tasks = 0;
};

std::optional<LauncherClaim> claim_of(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  const int tasks = std::atoi(text);
  if (tasks < 1) return std::nullopt;
  return LauncherClaim{variable, tasks};
}

// The nearest launcher counts: mpirun inside a Slurm allocation may well start fewer ranks than the job has tasks.
std::optional<LauncherClaim> launcher_claim() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"}) {
    if (auto claim = claim_of(variable)) return claim;
  }
  return std::nullopt;
}

std::string mismatch_of(const std::optional<LauncherClaim>& claim, int ranks) {
  if (!claim || claim->tasks == ranks) return {};
  return fmt::format(
      "{} is {}, but MPI sees {} rank{}: the tasks that were started are not one MPI job. Start with `srun --mpi=pmix` "
      "or with the `mpirun` of Open MPI; for one rank on its own, unset {} first",
      claim->variable, claim->tasks, ranks, ranks == 1 ? "" : "s", claim->variable);
}

}  // namespace

int rank_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const char* text = std::getenv(variable)) return std::atoi(text);
  }
  return 0;
}

Environment::Environment(int& argc, char**& argv, JobLimits limits)
    : exceptions_(std::uncaught_exceptions()), limits_(limits), dog_(rank_by_launcher(), limits.start) {
  const auto claim = launcher_claim();  // before MPI_Init, which may set variables itself
  int provided = MPI_THREAD_SINGLE;
  {
    const Watchdog::Guard guard(dog_, "MPI_Init", 0);
    // One thread at a time, but not always the same: with GPUs that exchange data through host memory, a batch norm
    // over all ranks sums inside the backward pass, which runs on autograd's thread while the main thread waits for it.
    DDLS_MPI(MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided));
  }
  DDLS_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  DDLS_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
  DDLS_MPI(MPI_Comm_size(MPI_COMM_WORLD, &ranks_));
  if (provided < MPI_THREAD_SERIALIZED) {
    MPI_Finalize();
    fail(Exit::runtime, "this MPI library has no thread support (MPI_THREAD_SERIALIZED is needed)");
  }
  mismatch_ = mismatch_of(claim, ranks_);
  if (limits.one_job && !mismatch_.empty()) {
    MPI_Finalize();
    fail(Exit::config, "{}", mismatch_);
  }
}

Environment::~Environment() {
  if (std::uncaught_exceptions() > exceptions_) {
    log::error("rank {} ends the job: an exception left the program while other ranks may wait for it", rank_);
    abort(static_cast<int>(Exit::internal));
  }
  Watchdog dog(rank_, limits_.end);
  const Watchdog::Guard guard(dog, "MPI_Finalize", 0);
  if (MPI_Finalize() != MPI_SUCCESS) log::warning("MPI_Finalize reported an error");
}

void Environment::abort(int exit_code) {
  int up = 0, down = 0;
  MPI_Initialized(&up);
  MPI_Finalized(&down);
  if (up && !down) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

int run_job(int& argc, char**& argv, const std::function<int(Environment&)>& body, JobLimits limits) {
  try {
    Environment environment(argc, argv, limits);
    try {
      return body(environment);
    } catch (const CollectiveError& error) {
      if (environment.rank() == 0) log::error("{}", error.what());
      return static_cast<int>(error.code());
    } catch (...) {
      const Failure failure = current_failure();
      log::error("{}", failure.message);
      Environment::abort(static_cast<int>(failure.code));
    }
  } catch (...) {  // MPI did not come up, so there is nobody to agree with
    const Failure failure = current_failure();
    log::error("{}", failure.message);
    return static_cast<int>(failure.code);
  }
}

}  // namespace ddls::dist
