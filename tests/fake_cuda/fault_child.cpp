// The job that faults.py disturbs: collectives between fake GPUs over the channel of NCCL, of which DDLS_FAKE_CUDA says
// what goes wrong. Arguments: the watchdog's limit in seconds, and what the last rank's own host does wrong, if
// anything.
#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
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

constexpr int steps = 12;

void one_step(ddls::dist::Communicator& comm, int step) {
  const at::TensorOptions there(comm.topology().device);
  at::Tensor gradient = at::full({3000}, comm.rank() + step, there), weights = at::full({500}, step, there);
  std::vector<ddls::dist::Pending> pending;
  for (int bucket = 0; bucket < 3; ++bucket)
    pending.push_back(comm.all_reduce_async(gradient.slice(0, 1000 * bucket, 1000 * bucket + 1000)));
  for (ddls::dist::Pending& one : pending) one.wait();
  comm.broadcast(weights, step % comm.ranks());
  const double wanted = comm.ranks() * (step + (comm.ranks() - 1) / 2.0);
  ddls::ensure(gradient.eq(wanted).all().item<bool>(), "a wrong sum in step {}", step);
  ddls::ensure(weights.eq(step).all().item<bool>(), "wrong weights in step {}", step);
}

void go_wrong(const std::string& way, ddls::dist::Communicator& comm) {
  if (comm.rank() != comm.ranks() - 1) return;
  if (way == "host_hangs")
    for (;;) pause();
  if (way == "host_throws") ddls::fail(ddls::Exit::runtime, "the disk is full");
  if (way == "host_stops") raise(SIGSTOP);
  if (way == "host_differs") {
    at::Tensor other = at::zeros({1000}, at::TensorOptions(comm.topology().device));
    comm.broadcast(other, comm.rank());
  }
}

int body(double limit_s, const std::string& way, ddls::dist::Environment& environment) {
  ddls::log::init(ddls::log::Level::info, environment.rank(), environment.ranks());
  ddls::stop_signal::install();
  if (const char* folder = std::getenv("DDLS_TEST_CALLS")) ddls::dist::keep_calls_in(folder);
  const ddls::dist::Topology topology = ddls::dist::find_topology(MPI_COMM_WORLD, "cuda");
  ddls::ensure(topology.transport == ddls::dist::Transport::nccl, "not over NCCL");
  ddls::dist::Communicator comm(MPI_COMM_WORLD, topology, limit_s);
  if (comm.root()) std::printf("started\n");
  std::fflush(stdout);
  for (int step = 0; step < steps; ++step) {
    if (step == steps / 2) go_wrong(way, comm);
    one_step(comm, step);
  }
  comm.barrier();
  if (comm.root()) std::printf("a good end\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const double limit_s = argc > 1 ? std::atof(argv[1]) : 600;
  const std::string way = argc > 2 ? argv[2] : "";
  return ddls::dist::run_job(argc, argv,
                             [&](ddls::dist::Environment& environment) { return body(limit_s, way, environment); },
                             {.start = 60, .end = 10});
}
