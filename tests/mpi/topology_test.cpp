#include "dist/topology.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "device/cuda_bridge.hpp"
#include "dist/failure.hpp"
#include "mpi/world.hpp"

namespace ddls {
namespace {

TEST(Topology, OfCpuRanks) {
  const dist::Topology topology = dist::find_topology(MPI_COMM_WORLD, "cpu");
  EXPECT_EQ(topology.rank, world().rank());
  EXPECT_EQ(topology.ranks, world().ranks());
  EXPECT_EQ(topology.local_ranks, world().ranks());  // the tests run on one machine
  EXPECT_EQ(topology.local_rank, world().rank());
  EXPECT_EQ(topology.transport, dist::Transport::mpi);
  EXPECT_TRUE(topology.device.is_cpu());
  EXPECT_EQ(topology.threads, 1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_EQ(topology.places.size(), static_cast<size_t>(world().ranks()));
  for (int rank = 0; rank < world().ranks(); ++rank) {
    const dist::RankPlace& place = topology.places.at(static_cast<size_t>(rank));
    EXPECT_EQ(place.rank, rank);
    EXPECT_EQ(place.local_rank, rank);
    EXPECT_EQ(place.device, "cpu");
    EXPECT_FALSE(place.host.empty());
  }
  const std::string table = topology.table();
  EXPECT_NE(table.find("transport mpi"), std::string::npos) << table;
}

TEST(Topology, ThreadsAreWhatWasAskedFor) {
  EXPECT_EQ(dist::find_topology(MPI_COMM_WORLD, "cpu", 2).threads, 2);
  EXPECT_EQ(at::get_num_threads(), 2);
  EXPECT_EQ(dist::find_topology(MPI_COMM_WORLD, "cpu").threads, 1);
  EXPECT_EQ(at::get_num_threads(), 1);
}

TEST(Topology, RefusesUnknownDevices) {
  EXPECT_THROW(dist::find_topology(MPI_COMM_WORLD, "gpu"), dist::CollectiveError);
}

TEST(Topology, CudaWithoutADeviceIsAConfigurationError) {
  if (device::devices().count > 0) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_EQ(dist::find_topology(MPI_COMM_WORLD, "auto").transport, dist::Transport::mpi);
  try {
    dist::find_topology(MPI_COMM_WORLD, "cuda");
    ADD_FAILURE() << "no error";
  } catch (const dist::CollectiveError& error) {
    EXPECT_EQ(error.code(), Exit::config);
    EXPECT_NE(std::string(error.what()).find("has no CUDA device"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ddls
