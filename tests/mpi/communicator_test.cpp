// Integer-valued data, so that every expectation is exact whatever the order of a sum. No ASSERT between collectives.
#include "dist/communicator.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "base/error.hpp"
#include "dist/failure.hpp"
#include "dist/watchdog.hpp"
#include "mpi/world.hpp"

namespace ddls {
namespace {

using at::ScalarType;

const ScalarType types[] = {at::kByte, at::kInt, at::kLong, at::kFloat, at::kDouble};

at::Tensor ramp(int64_t numel, ScalarType type, int64_t scale) {
  return (at::arange(numel, at::kLong) % 7 * scale).to(type);
}

int64_t sum_of_ranks_plus_one(int ranks) { return int64_t{ranks} * (ranks + 1) / 2; }

void expect_equal(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
  EXPECT_EQ(got.scalar_type(), wanted.scalar_type()) << what;
  EXPECT_TRUE(at::equal(got, wanted)) << what << "\ngot\n" << got << "\nwanted\n" << wanted;
}

void check_all_reduce(dist::Communicator& comm) {
  for (const ScalarType type : types) {
    for (const int64_t numel : {0, 1, 37, 1000}) {
      const std::string what = std::string(c10::toString(type)) + " " + std::to_string(numel);
      at::Tensor sum = ramp(numel, type, comm.rank() + 1);
      comm.all_reduce(sum);
      expect_equal(sum, ramp(numel, type, sum_of_ranks_plus_one(comm.ranks())), "sum " + what);
      at::Tensor least = ramp(numel, type, comm.rank() + 1);
      comm.all_reduce(least, dist::Reduce::min);
      expect_equal(least, ramp(numel, type, 1), "min " + what);
      at::Tensor most = ramp(numel, type, comm.rank() + 1);
      comm.all_reduce_async(most, dist::Reduce::max).wait();
      expect_equal(most, ramp(numel, type, comm.ranks()), "max " + what);
    }
  }
}

TEST(Communicator, AllReduce) { check_all_reduce(world()); }

TEST(Communicator, AllReduceInSmallChunks) {
  dist::Communicator small(MPI_COMM_WORLD, world().topology(), 60, 203);
  check_all_reduce(small);
}

TEST(Communicator, MeanIsForFloatingPoint) {
  at::Tensor mean = ramp(10, at::kFloat, 2 * world().ranks() * (world().rank() + 1));
  world().all_reduce(mean, dist::Reduce::mean);
  expect_equal(mean, ramp(10, at::kFloat, 2 * sum_of_ranks_plus_one(world().ranks())), "mean");
  at::Tensor integers = ramp(10, at::kInt, 1);
  EXPECT_THROW(world().all_reduce(integers, dist::Reduce::mean), Error);
}

TEST(Communicator, RefusesWhatItCannotSend) {
  at::Tensor strided = at::zeros({4, 4}).t();
  EXPECT_THROW(world().all_reduce(strided), Error);
  at::Tensor half = at::zeros({4}, at::kBFloat16);
  EXPECT_THROW(world().all_reduce(half), Error);
}

TEST(Communicator, BroadcastFromEveryRoot) {
  dist::Communicator small(MPI_COMM_WORLD, world().topology(), 60, 10);
  for (int root = 0; root < world().ranks(); ++root) {
    for (const ScalarType type : {at::kByte, at::kInt, at::kLong, at::kFloat, at::kDouble, at::kBFloat16}) {
      at::Tensor tensor = ramp(23, type, world().rank() + 1);
      small.broadcast(tensor, root);
      expect_equal(tensor, ramp(23, type, root + 1), "broadcast");
    }
  }
}

// Rank r holds r rows (so rank 0 none), or the other way round; values tell rank and row.
void check_gather(dist::Communicator& comm, ScalarType type, bool reversed, int root) {
  const auto rows_of = [&](int rank) { return reversed ? comm.ranks() - 1 - rank : rank; };
  const auto block = [&](int rank) {
    return (at::arange(rows_of(rank) * 6, at::kLong) + 40 * rank).to(type).reshape({rows_of(rank), 2, 3});
  };
  const auto got = comm.gather_rows(block(comm.rank()), root);
  EXPECT_EQ(got.has_value(), comm.rank() == root);
  if (!got) return;
  std::vector<at::Tensor> all;
  for (int rank = 0; rank < comm.ranks(); ++rank) all.push_back(block(rank));
  expect_equal(*got, at::cat(all), "gather");
}

TEST(Communicator, GatherRows) {
  dist::Communicator small(MPI_COMM_WORLD, world().topology(), 60, 11);
  for (const ScalarType type : types) {
    for (const bool reversed : {false, true}) {
      for (int root = 0; root < world().ranks(); ++root) {
        check_gather(world(), type, reversed, root);
        check_gather(small, type, reversed, root);
      }
    }
  }
}

TEST(Communicator, GatherOfNothing) {
  const auto got = world().gather_rows(at::zeros({0, 5}));
  EXPECT_EQ(got.has_value(), world().root());
  EXPECT_EQ(got.value_or(at::zeros({0, 5})).sizes(), (std::vector<int64_t>{0, 5}));
}

TEST(Communicator, GatherRefusesRowsOfAnotherSize) {
  if (world().ranks() == 1) GTEST_SKIP();
  const int64_t width = world().rank() == world().ranks() - 1 ? 4 : 3;
  EXPECT_THROW(world().gather_rows(at::zeros({2, width})), dist::CollectiveError);
}

TEST(Communicator, Any) {
  EXPECT_FALSE(world().any(false));
  for (int rank = 0; rank < world().ranks(); ++rank) EXPECT_TRUE(world().any(rank == world().rank()));
}

TEST(Communicator, RequireSameNamesTheOddRank) {
  world().require_same(42, "the configuration");
  if (world().ranks() == 1) GTEST_SKIP();
  const int odd = world().ranks() - 1;
  std::string message;
  try {
    world().require_same(world().rank() == odd ? 1 : 2, "the configuration");
  } catch (const dist::CollectiveError& error) {
    message = error.what();
    EXPECT_EQ(error.code(), Exit::runtime);
  }
  EXPECT_EQ(message, "the configuration: rank " + std::to_string(odd) + " differs from rank 0");
}

TEST(Communicator, OnRootGivesItsBytesToAll) {
  std::string bytes("\0binary\n", 8);
  EXPECT_EQ(world().on_root([&] { return world().rank() == 0 ? bytes : "wrong rank"; }), bytes);
  EXPECT_EQ(world().on_root([] { return std::string(); }), "");
  for (const bool value : {false, true}) EXPECT_EQ(world().on_root([&] { return world().root() == value; }), value);
  int done = 0;
  world().on_root([&] { ++done; });
  EXPECT_EQ(done, world().root() ? 1 : 0);
}

struct Caught {
  Exit code = Exit::success;
  std::string message;
};

Caught catch_collective(const std::function<void()>& action) {
  try {
    action();
  } catch (const dist::CollectiveError& error) {
    return {error.code(), error.what()};
  }
  return {};
}

TEST(Communicator, OnRootErrorsReachAllRanks) {
  const Caught error =
      catch_collective([] { world().on_root([]() -> std::string { fail(Exit::missing, "no file {}", "a.yaml"); }); });
  EXPECT_EQ(error.code, Exit::missing);
  EXPECT_EQ(error.message, "no file a.yaml");
  const Caught bug = catch_collective([] { world().on_root([]() -> std::string { throw std::logic_error("oops"); }); });
  EXPECT_EQ(bug.code, Exit::internal);
  EXPECT_EQ(bug.message, "internal error: oops");
  world().barrier();  // still usable
}

TEST(Communicator, TogetherThrowsTheLowestRanksError) {
  EXPECT_EQ(catch_collective([] { world().together([] {}); }).message, "");
  const int first = world().ranks() / 2;
  const Caught error = catch_collective([&] {
    world().together([&] {
      if (world().rank() >= first) fail(Exit::data, "rank {} found damage", world().rank());
    });
  });
  EXPECT_EQ(error.code, Exit::data);
  EXPECT_EQ(error.message, "rank " + std::to_string(first) + " found damage");
  EXPECT_EQ(world().together([] { return world().rank() + 5; }), world().rank() + 5);
  world().barrier();
}

TEST(Communicator, WorksOnSubsetsOfTheJob) {
  dist::Communicator alone(MPI_COMM_SELF, world().topology());
  EXPECT_EQ(alone.ranks(), 1);
  at::Tensor tensor = ramp(5, at::kFloat, 3);
  alone.all_reduce(tensor);
  expect_equal(tensor, ramp(5, at::kFloat, 3), "alone");
  dist::Communicator moved = std::move(alone);
  EXPECT_EQ(moved.gather_rows(tensor)->size(0), 5);
}

TEST(Communicator, OneRankNeedsNoNccl) {
  dist::Topology topology = dist::find_topology(MPI_COMM_SELF, "cpu");
  topology.transport = dist::Transport::nccl;  // nothing connects, here where there is no GPU
  topology.device = c10::Device(c10::DeviceType::CUDA, 0);
  dist::Communicator alone(MPI_COMM_SELF, topology, 60);
  at::Tensor tensor = at::empty({3}, at::kMeta);  // of a device that nothing here can read
  alone.all_reduce(tensor);
  alone.all_reduce_async(tensor, dist::Reduce::mean).wait();
  alone.broadcast(tensor);
  EXPECT_THROW(alone.broadcast(tensor, 1), Error);
}

// Rank 0 has come to its second operation, the others to their first.
TEST(Watchdog, SaysToOtherThreadsWhoIsMissing) {
  if (world().ranks() == 1) GTEST_SKIP();
  constexpr double limit_s = 20;
  dist::HeartbeatOptions options;
  options.one_machine = true;
  dist::Watchdog dog(world().rank(), limit_s, dist::Heartbeat::open(MPI_COMM_WORLD, options));
  { const dist::Watchdog::Guard first(dog, "first", 0); }
  const std::string wanted = "rank 1 is alive but has not come: it works behind first #1";
  std::string missing;
  bool said = false;
  if (world().root()) {
    const dist::Watchdog::Guard second(dog, "second", 0);
    for (int tries = 0; tries < 100 && !said; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      missing = dog.missing(2);
      said = missing.find(wanted) != missing.npos && dog.missing(1).empty();
    }
  }
  world().barrier();
  EXPECT_EQ(said, world().root()) << missing;
}

}  // namespace
}  // namespace ddls
