// main of every test under mpirun: all ranks run all tests; the exit code is the worst of all ranks. A failed check on
// a rank other than 0 is printed with its rank; an exception, or a rank that hangs, ends the job.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "base/log.hpp"
#include "dist/environment.hpp"
#include "mpi/world.hpp"
#include "test_device.hpp"

namespace ddls {
namespace {

std::unique_ptr<dist::Communicator> the_world;

class FailuresOnly : public testing::EmptyTestEventListener {
 public:
  explicit FailuresOnly(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_, result.file_name() ? result.file_name() : "?",
                 result.line_number(), result.summary());
  }

 private:
  int rank_;
};

int run_tests(dist::Environment& environment) {
  log::init(log::Level::info, environment.rank(), environment.ranks());
  const dist::Topology topology = dist::find_topology(MPI_COMM_WORLD, test::on_gpu() ? "cuda" : "cpu");
  the_world = std::make_unique<dist::Communicator>(MPI_COMM_WORLD, topology, 120);
  GTEST_FLAG_SET(catch_exceptions, false);
  if (environment.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly(environment.rank()));
  }
  const int mine = RUN_ALL_TESTS();
  int worst = mine;
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  the_world.reset();
  return worst;
}

}  // namespace

dist::Communicator& world() { return *the_world; }

}  // namespace ddls

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return ddls::dist::run_job(argc, argv, ddls::run_tests);
}
