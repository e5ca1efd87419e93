#include "dist/gradient_reducer.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "dist/gradient_buckets.hpp"
#include "mpi/world.hpp"

namespace ddls {
namespace {

at::TensorOptions there(at::ScalarType type = at::kFloat) {
  return at::TensorOptions(world().topology().device).dtype(type);
}

struct Net : torch::nn::Module {
  at::Tensor a = register_parameter("a", at::zeros({3, 5}, there()));
  at::Tensor b = register_parameter("b", at::zeros({17}, there()));
  at::Tensor c = register_parameter("c", at::zeros({2, 2}, there()));
  at::Tensor unused = register_parameter("unused", at::zeros({4}, there()));
};

// Gradients of the loss are exactly these tensors, for shard s.
struct ShardGradients {
  at::Tensor a, b, c;
};

ShardGradients integers(int64_t shard) {
  return {at::full({3, 5}, static_cast<double>(shard + 1), there()),
          at::arange(17, there()) * static_cast<double>(shard), at::full({2, 2}, -3.0, there())};
}

ShardGradients random_floats(int64_t shard) {
  auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(77 + shard));
  const auto draw = [&](at::IntArrayRef sizes) { return at::randn(sizes, generator).to(there()); };
  return {draw({3, 5}) * 10, draw({17}) * 1e-3, draw({2, 2})};
}

at::Tensor loss_of(Net& net, const ShardGradients& g) {
  return (net.a * g.a).sum() + (net.b * g.b).sum() + (net.c * g.c).sum();
}

using Gradients = ShardGradients (*)(int64_t);

// One step in which this rank has the shards s with owner(s) == rank.
template <typename Owner>
void step(Net& net, dist::GradientReducer& reducer, int64_t shards, const Gradients& gradients, int rank,
          const Owner& owner) {
  std::vector<int64_t> mine;
  for (int64_t s = 0; s < shards; ++s) {
    if (owner(s) == rank) mine.push_back(s);
  }
  reducer.begin();
  for (const int64_t s : mine) {
    if (s == mine.back()) reducer.arm();
    loss_of(net, gradients(s)).backward();
    reducer.add_shard();
    reducer.add_scalars(at::tensor({static_cast<double>(s), 0.1 * static_cast<double>(s)}, there(at::kDouble)));
  }
  reducer.finish(shards);
}

dist::ReducerOptions overlapped(int64_t bucket_bytes = 64) { return {false, bucket_bytes, bucket_bytes}; }

TEST(GradientReducer, IntegerGradientsAreExactInBothModes) {
  for (const bool exact : {true, false}) {
    Net net;
    tensor::FlatParameters flat(net);
    dist::GradientReducer reducer(flat, world(), exact ? dist::ReducerOptions{} : overlapped());
    for (int repeat = 0; repeat < 2; ++repeat) {  // 4 shards: mean of powers of two stays exact; np 3 is uneven
      step(net, reducer, 4, integers, world().rank(), [](int64_t s) { return static_cast<int>(s) % world().ranks(); });
      EXPECT_TRUE(at::equal(net.a.grad(), at::full({3, 5}, 2.5, there()))) << net.a.grad();
      EXPECT_TRUE(at::equal(net.b.grad(), at::arange(17, there()) * 1.5)) << net.b.grad();
      EXPECT_TRUE(at::equal(net.c.grad(), at::full({2, 2}, -3.0, there()))) << net.c.grad();
      EXPECT_TRUE(at::equal(net.unused.grad(), at::zeros({4}, there())));
      EXPECT_EQ(reducer.scalars().size(), 2U);
      EXPECT_EQ(reducer.scalars().at(0), 6);
      EXPECT_NEAR(reducer.scalars().at(1), 0.6, 1e-11);
    }
  }
}

TEST(GradientReducer, ExactModeGivesTheSameBitsForEveryDealOfShards) {
  constexpr int64_t shards = 12;
  Net local;
  tensor::FlatParameters local_flat(local);
  const dist::Topology& topology = world().topology();
  dist::Communicator alone(MPI_COMM_SELF, topology);
  dist::GradientReducer local_reducer(local_flat, alone);
  step(local, local_reducer, shards, random_floats, 0, [](int64_t) { return 0; });
  EXPECT_GT(local.a.grad().abs().sum().item<float>(), 0);

  const int ranks = world().ranks();
  const auto check = [&](const auto& owner) {
    Net net;
    tensor::FlatParameters flat(net);
    dist::GradientReducer reducer(flat, world());
    step(net, reducer, shards, random_floats, world().rank(), owner);
    EXPECT_TRUE(at::equal(flat.gradients(), local_flat.gradients()));
    EXPECT_EQ(reducer.scalars(), local_reducer.scalars());
  };
  check([&](int64_t s) { return static_cast<int>(s) % ranks; });
  check([&](int64_t s) { return static_cast<int>(s * ranks / shards); });
  check([&](int64_t s) { return static_cast<int>((s * s + 3) % ranks); });
  check([&](int64_t) { return ranks - 1; });  // all others have none
}

TEST(GradientReducer, ExactModeIsTheMeanToItsGrid) {
  Net net;
  tensor::FlatParameters flat(net);
  dist::GradientReducer reducer(flat, world());
  step(net, reducer, 3, random_floats, world().rank(), [](int64_t s) { return static_cast<int>(s) % world().ranks(); });
  const at::Tensor mean = (random_floats(0).a + random_floats(1).a + random_floats(2).a) / 3;
  EXPECT_LT((net.a.grad() - mean).abs().max().item<float>(), 1e-5);
}

TEST(GradientReducer, FewerShardsThanRanks) {
  for (const bool exact : {true, false}) {
    Net net;
    tensor::FlatParameters flat(net);
    dist::GradientReducer reducer(flat, world(), exact ? dist::ReducerOptions{} : overlapped());
    step(net, reducer, 1, integers, world().rank(), [](int64_t) { return world().ranks() - 1; });
    EXPECT_TRUE(at::equal(net.a.grad(), at::ones({3, 5}, there())));
    EXPECT_EQ(reducer.scalars(), (std::vector<double>{0, 0}));
  }
}

TEST(GradientReducer, NotANumberReachesAllRanks) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Net net;
    tensor::FlatParameters flat(net);
    dist::GradientReducer reducer(flat, world());
    reducer.begin();
    const float mine = world().rank() == world().ranks() - 1 ? bad : 1.0F;
    (net.b * mine).sum().backward();
    reducer.add_shard();
    reducer.finish(world().ranks());
    EXPECT_FALSE(std::isfinite(net.b.grad()[0].item<float>()));
    EXPECT_EQ(net.a.grad().sum().item<float>(), 0);
  }
}

TEST(GradientReducer, NamesParametersWithoutGradient) {
  for (const bool exact : {true, false}) {
    Net net;
    tensor::FlatParameters flat(net);
    dist::GradientReducer reducer(flat, world(), exact ? dist::ReducerOptions{} : overlapped());
    step(net, reducer, world().ranks(), integers, world().rank(), [](int64_t s) { return static_cast<int>(s); });
    EXPECT_EQ(reducer.without_gradient(), std::vector<std::string>{"unused"});
    reducer.begin();
    EXPECT_EQ(reducer.without_gradient().size(), 4U);
  }
}

TEST(GradientReducer, TwoBackwardsWhileArmedAreAnError) {
  Net net;
  tensor::FlatParameters flat(net);
  dist::Communicator alone(MPI_COMM_SELF, world().topology());  // finish() throws before it communicates
  dist::GradientReducer reducer(flat, alone, overlapped());
  reducer.begin();
  reducer.arm();
  loss_of(net, integers(0)).backward();
  (net.b * 2).sum().backward();
  std::string message;
  try {
    reducer.finish(1);
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_NE(message.find("parameter b fired twice"), std::string::npos) << message;
}

TEST(GradientReducer, WrongShardCountIsAnError) {
  Net net;
  tensor::FlatParameters flat(net);
  dist::GradientReducer reducer(flat, world());
  reducer.begin();
  reducer.add_shard();
  const auto finish = [&] {
    reducer.finish(world().ranks() + 1);
    reducer.scalars();  // on a GPU nobody reads the count before
  };
  EXPECT_THROW(finish(), Error);
}

TEST(GradientReducer, ADetachedGradientIsNoticed) {
  Net net;
  tensor::FlatParameters flat(net);
  dist::GradientReducer reducer(flat, world());
  reducer.begin();
  net.zero_grad();
  EXPECT_THROW(reducer.add_shard(), Error);
}

// The generator step of a GAN: gradients flow through D, whose parameters are frozen and whose reducer rests.
TEST(GradientReducer, AFrozenNetworkDoesNotFire) {
  torch::nn::Linear g(3, 3), d(3, 1);
  g->to(world().topology().device);
  d->to(world().topology().device);
  tensor::FlatParameters flat_g(*g), flat_d(*d);
  dist::GradientReducer reducer_g(flat_g, world(), overlapped()), reducer_d(flat_d, world(), overlapped());
  const auto freeze = [&](bool frozen) {
    for (auto& parameter : d->parameters()) parameter.requires_grad_(!frozen);
  };
  const at::Tensor z = at::ones({2, 3}, there());
  reducer_d.begin();
  freeze(true);
  reducer_g.begin();
  reducer_g.arm();
  d(g(z)).sum().backward();
  reducer_g.add_shard();
  reducer_g.finish(world().ranks());
  freeze(false);
  EXPECT_TRUE(reducer_g.without_gradient().empty());
  EXPECT_EQ(reducer_d.without_gradient().size(), 2U);
  EXPECT_EQ(flat_d.gradients().abs().sum().item<float>(), 0);

  d(g(z).detach()).sum().backward();  // the hooks of D outlive the freezing
  EXPECT_TRUE(reducer_d.without_gradient().empty());
}

TEST(GradientBuckets, CoverTheBufferInReverseOrder) {
  Net net;
  tensor::FlatParameters flat(net);
  const int64_t total = flat.gradients().numel();
  for (const int64_t bytes : {1, 64, 130, 100000}) {
    const auto buckets = dist::make_buckets(flat.slices(), total, 4, bytes, 64);
    int64_t end = total;
    size_t last = flat.slices().size();
    for (const dist::GradientBucket& bucket : buckets) {
      EXPECT_EQ(bucket.end, end);
      EXPECT_EQ(bucket.last_slice, last);
      EXPECT_LT(bucket.begin, bucket.end);
      EXPECT_EQ(bucket.begin, flat.slices()[bucket.first_slice].offset);
      end = bucket.begin;
      last = bucket.first_slice;
    }
    EXPECT_EQ(end, 0);
    EXPECT_EQ(last, 0U);
  }
  EXPECT_EQ(dist::make_buckets(flat.slices(), total, 4, 1, 1).size(), 4U);
  EXPECT_EQ(dist::make_buckets(flat.slices(), total, 4, 100000, 100000).size(), 1U);
}

}  // namespace
}  // namespace ddls
