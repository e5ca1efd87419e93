#include "app/commands.hpp"
#include "base/log.hpp"
#include "base/stop_signal.hpp"
#include "dist/environment.hpp"

int main(int argc, char** argv) {
  using namespace ddls;
  return run_job(argc, argv, [&](Environment& environment) {
    log::init(log::Level::info, environment.rank(), environment.ranks());
    stop_signal::install();
    return run_command(argc, argv, environment);
  });
}
