#include "dist/placement.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dist/failure.hpp"

namespace ddls::dist::placement_test {
namespace {

RankGpus seeing(std::vector<std::string> ids, int node = 0) {
  return {node, fmt::format("h{}", node), std::move(ids), "", false};
}

RankGpus without(const std::string& problem, bool unexpected, int node = 0) {
  return {node, fmt::format("h{}", node), {}, problem, unexpected};
}

template <typename Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const CollectiveError& error) {
    EXPECT_EQ(error.code(), Exit::config);
    return error.what();
  }
  return "no error";
}

TEST(Placement, GpusWhereAllRanksSeeOne) {
  const std::vector<RankGpus> all{seeing({"a"}), seeing({"b", "c"})};
  EXPECT_TRUE(choose_kind("auto", all).gpu);
  EXPECT_TRUE(choose_kind("cuda", all).gpu);
  EXPECT_FALSE(choose_kind("cpu", all).gpu);
  EXPECT_EQ(choose_kind("auto", all).warning, "");
}

TEST(Placement, AutoFallsToCpusInSilenceOnlyWhereNoGpuWasToBeExpected) {
  const std::vector<RankGpus> none{without("no CUDA-capable device is detected", false),
                                   without("no CUDA-capable device is detected", false)};
  EXPECT_FALSE(choose_kind("auto", none).gpu);
  EXPECT_EQ(choose_kind("auto", none).warning, "");
  const std::vector<RankGpus> old_driver{without("", false), without("the driver is too old", true, 1)};
  const DeviceKind kind = choose_kind("auto", old_driver);
  EXPECT_FALSE(kind.gpu);
  EXPECT_NE(kind.warning.find("rank 1 on h1 has an NVIDIA driver but no GPU that can be used: the driver is too old"),
            std::string::npos)
      << kind.warning;
  EXPECT_EQ(choose_kind("cpu", old_driver).warning, "");
}

TEST(Placement, SomeRanksWithAGpuAndSomeWithoutAreRefused) {
  const std::vector<RankGpus> mixed{seeing({"a"}), seeing({"b"}), without("all GPUs have fallen off", true, 3)};
  const std::string text = error_of([&] { choose_kind("auto", mixed); });
  EXPECT_NE(text.find("rank 2 on h3 has no CUDA device: all GPUs have fallen off, but rank 0 on h0 has"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("--device cpu"), std::string::npos) << text;
  EXPECT_FALSE(choose_kind("cpu", mixed).gpu);
  EXPECT_NE(error_of([&] { choose_kind("cuda", mixed); }).find("device cuda: rank 2 on h3 has no CUDA device"),
            std::string::npos);
}

TEST(Placement, RanksThatSeeAllTakeTheGpuOfTheirNumber) {
  const RankGpus all = seeing({"a", "b", "c", "d"}), other = seeing({"a", "b", "c", "d"}, 4);
  EXPECT_EQ(choose_gpus({all, all, all, all}), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(choose_gpus({all, other, all, other}), (std::vector<int>{0, 0, 1, 1}));  // ids are a node's own
}

TEST(Placement, RanksThatSeeSomeTakeWhatIsFree) {
  // --gpu-bind=closest: the first four ranks see the first socket's GPUs, the others the second's.
  const RankGpus left = seeing({"a", "b", "c", "d"}), right = seeing({"e", "f", "g", "h"});
  EXPECT_EQ(choose_gpus({left, left, left, left, right, right, right, right}),
            (std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3}));
  // Two of its own for each task.
  EXPECT_EQ(choose_gpus({seeing({"a", "b"}), seeing({"c", "d"})}), (std::vector<int>{0, 0}));
  // Overlapping views: rank 0 moves, since rank 1 sees nothing else.
  EXPECT_EQ(choose_gpus({seeing({"a", "b"}), seeing({"a"})}), (std::vector<int>{1, 0}));
  EXPECT_EQ(choose_gpus({seeing({"a", "b"}), seeing({"b", "c"}), seeing({"a"}), seeing({"b"})}),
            (std::vector<int>{1, 1, 0, 0}));
}

TEST(Placement, OneVisibleGpuIsShared) {
  EXPECT_EQ(choose_gpus({seeing({"a"}), seeing({"a"}), seeing({"a"})}), (std::vector<int>{0, 0, 0}));
}

TEST(Placement, MoreRanksThanSeveralGpusAreRefused) {
  const RankGpus two = seeing({"a", "b"}, 2);
  const std::string text = error_of([&] { choose_gpus({seeing({"a", "b"}, 0), two, two, two}); });
  EXPECT_NE(text.find("rank 3 is number 3 on h2, which shows it 2 GPUs"), std::string::npos) << text;
}

TEST(Placement, WhatHidesGpus) {
  for (const char* hidden : {"", "-1", "NoDevFiles", "none", "-1,0"}) EXPECT_TRUE(hides_gpus(hidden)) << hidden;
  for (const char* shown : {"0", "1,2", " 3", "GPU-8932f937", "MIG-1b", "0,-1"})
    EXPECT_FALSE(hides_gpus(shown)) << shown;
  EXPECT_FALSE(hides_gpus(nullptr));
}

CpuMask cores(size_t first, size_t last) {
  CpuMask mask;
  for (size_t core = first; core <= last; ++core) mask.set(core);
  return mask;
}

TEST(Placement, ThreadsAreDividedOnce) {
  // Bound to nothing: eight ranks share the node's 96 cores.
  const std::vector<RankCpus> free(8, RankCpus{0, cores(0, 95)});
  EXPECT_EQ(threads_of(0, free), 12);
  // Bound by the launcher to 12 cores each: these are the rank's own.
  std::vector<RankCpus> bound;
  for (size_t rank = 0; rank < 8; ++rank) bound.push_back({0, cores(12 * rank, 12 * rank + 11)});
  for (size_t rank = 0; rank < 8; ++rank) EXPECT_EQ(threads_of(rank, bound), 12);
  // By socket; and the same cores of two nodes are not the same.
  const std::vector<RankCpus> sockets{{0, cores(0, 9)}, {0, cores(0, 9)}, {0, cores(10, 19)}, {5, cores(0, 9)}};
  EXPECT_EQ(threads_of(0, sockets), 5);
  EXPECT_EQ(threads_of(2, sockets), 10);
  EXPECT_EQ(threads_of(3, sockets), 10);
  // Masks that overlap in part, more ranks than cores, and none known.
  EXPECT_EQ(threads_of(0, {{0, cores(0, 3)}, {0, cores(2, 5)}}), 3);
  EXPECT_EQ(threads_of(1, {{0, cores(0, 0)}, {0, cores(0, 0)}, {0, cores(0, 0)}}), 1);
  EXPECT_EQ(threads_of(0, {{0, CpuMask()}}), 1);
  EXPECT_EQ(threads_of(0, std::vector<RankCpus>(3, RankCpus{0, cores(0, 2)})), 1);
}

TEST(Placement, ListsOfCpus) {
  EXPECT_EQ(parse_cpu_list("0-3\n"), cores(0, 3));
  EXPECT_EQ(parse_cpu_list("5"), cores(5, 5));
  EXPECT_EQ(parse_cpu_list("0-1,8,10-11"), cores(0, 1) | cores(8, 8) | cores(10, 11));
  for (const char* bad : {"", "\n", "a", "0-", "-3", "3-1", "0,", ",0", "0-3-5", "1024", "0-9999999999999", "0 1"})
    EXPECT_TRUE(parse_cpu_list(bad).none()) << bad;
}

TEST(Placement, RanksStayBesideTheirGpuWhereTheLauncherDidNotChoose) {
  EXPECT_EQ(cpus_beside(cores(0, 63), 64, cores(32, 63)), cores(32, 63));
  EXPECT_EQ(cpus_beside(cores(0, 31), 64, cores(32, 63)), std::nullopt);  // bound already
  EXPECT_EQ(cpus_beside(cores(0, 63), 64, cores(0, 63)), std::nullopt);   // one socket
  EXPECT_EQ(cpus_beside(cores(0, 63), 64, CpuMask()), std::nullopt);      // nobody knows
  EXPECT_EQ(cpus_beside(cores(0, 63), 64, cores(64, 127)), std::nullopt);
}

}  // namespace
}  // namespace ddls::dist::placement_test
