// The small program that job_end_test.sh runs under mpirun: its argument says how it goes wrong on the last rank.
#include <ATen/Functions.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/stop_signal.hpp"
#include "dist/collective_log.hpp"
#include "dist/communicator.hpp"
#include "dist/environment.hpp"
#include "dist/failure.hpp"

namespace {

void collective(ddls::dist::Communicator& comm) {
  at::Tensor tensor = at::zeros({256});
  comm.all_reduce(tensor);
}

// The odd rank's collective is of another size, kind or type; MPI may well let them go on.
void call_something_else(const std::string& way, bool odd, ddls::dist::Communicator& comm) {
  at::Tensor tensor = at::zeros({odd && way == "other-size" ? 128 : 256});
  if (odd && way == "other-call") {
    comm.broadcast(tensor, comm.rank());
  } else if (odd && way == "other-type") {
    tensor = tensor.to(at::kInt);
    comm.all_reduce(tensor);
  } else {
    comm.all_reduce(tensor);
  }
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    collective(comm);
  }
}

int body(const std::string& way, ddls::dist::Environment& environment) {
  ddls::log::init(ddls::log::Level::info, environment.rank(), environment.ranks());
  if (const char* folder = std::getenv("DDLS_TEST_CALLS")) ddls::dist::keep_calls_in(folder);
  if (way == "kill-late" || way == "throw-late") ddls::stop_signal::install();  // as the program does
  const bool short_limit = way == "hang" || way.starts_with("stop-") || way == "busy" || way.starts_with("other-");
  const double timeout_s = short_limit ? 3 : 600;
  ddls::dist::Communicator comm(MPI_COMM_WORLD, ddls::dist::find_topology(MPI_COMM_WORLD, "cpu"), timeout_s);
  collective(comm);
  const bool odd = comm.rank() == comm.ranks() - 1;
  if (odd && way.ends_with("-late")) std::this_thread::sleep_for(std::chrono::seconds(1));  // the others wait
  if (odd && (way == "throw" || way == "throw-late")) ddls::fail(ddls::Exit::data, "the file is damaged");
  if (odd && way == "throw-foreign") throw std::runtime_error("nobody expects this");
  if (odd && way.starts_with("kill")) raise(SIGKILL);
  if (way.starts_with("other-")) call_something_else(way, odd, comm);
  if (odd && way == "hang") {
    for (;;) pause();
  }
  // The others wait where work may take its time; the stopped process has no thread that runs.
  const auto stop = [&](int rank) {
    if (comm.rank() == rank) raise(SIGSTOP);
  };
  if (way == "stop-together") comm.together([&] { stop(comm.ranks() - 1); });
  if (way == "stop-on-root") {
    comm.on_root([&] {
      stop(0);
      return std::string();
    });
  }
  if (way == "stop-alone") {  // nobody waits for it: every rank works on its own
    stop(comm.ranks() - 1);
    std::this_thread::sleep_for(std::chrono::seconds(40));
  }
  if (way == "busy") {  // alive, and slow: that is allowed
    comm.together([&] {
      if (odd) std::this_thread::sleep_for(std::chrono::milliseconds(7000));
    });
  }
  if (way == "together") {
    comm.together([&] {
      if (odd) ddls::fail(ddls::Exit::missing, "no such file");
    });
  }
  if (way == "stopped") return static_cast<int>(ddls::Exit::stopped);
  collective(comm);
  if (way == "stop-at-end") stop(comm.ranks() - 1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  if (way == "unwind") {  // what a main without run_job would do: the exception leaves Environment's scope
    try {
      ddls::dist::Environment environment(argc, argv);
      return body("throw", environment);
    } catch (const ddls::Error&) {
      return 1;
    }
  }
  if (way == "late" && std::string(std::getenv("OMPI_COMM_WORLD_RANK")) == "1") {  // never comes to MPI_Init
    for (;;) pause();
  }
  const auto limit_of = [&](const char* one) { return way == one ? 2. : 0.; };  // seconds; 0: none
  return ddls::dist::run_job(argc, argv, [&](ddls::dist::Environment& environment) { return body(way, environment); },
                             {.start = limit_of("late"), .end = limit_of("stop-at-end")});
}
