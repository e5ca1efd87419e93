#include <cstdio>
#include <cstdlib>

#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "base/log.hpp"
#include "base/output.hpp"
#include "base/stop_signal.hpp"
#include "dist/environment.hpp"

int main(int argc, char** argv) {
  using namespace ddls;
  keep_standard_descriptors();
  // Torch asks for huge pages for tensors of 2 MB and more: fewer page faults and TLB misses. Torch reads this at its
  // first allocation; a user's own setting counts.
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
  if (const auto code = app::answer_without_job(argc, argv)) return *code;
  stop_signal::install();  // before MPI starts, which takes a second in which a batch system may already signal
  const auto command = [&](dist::Environment& environment) {
    log::init(log::Level::info, environment.rank(), environment.ranks());
    return app::run_command(argc, argv, environment);
  };
  const int code = dist::run_job(argc, argv, command, app::job_limits(argc, argv));
  // MPI is finalized: from here on nobody would notice a rank that stands still, so none lingers in the destructors of
  // libraries, which take a while and have nothing left to do.
  std::fflush(nullptr);
  std::_Exit(code);
}
