// The channel over fake streams and a fake NCCL: results, order, and that nothing is read before it is there.
#include "dist/nccl_channel.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <nccl.h>
#include <torch/nn/modules/linear.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "device/cuda_check.hpp"
#include "device/device_of.hpp"
#include "dist/gradient_reducer.hpp"
#include "fake_cuda/fake_cuda.hpp"
#include "fake_gpu/aliases.hpp"
#include "fake_gpu/fake_gpu.hpp"
#include "mpi/world.hpp"

namespace ddls {
namespace {

using dist::Pending;
using dist::Reduce;

int rank() { return world().rank(); }
int ranks() { return world().ranks(); }
int my_device() { return world().topology().device.index(); }

at::TensorOptions there(at::ScalarType type = at::kFloat) {
  return at::TensorOptions(world().topology().device).dtype(type);
}

dist::DeviceCollectives connected(dist::NcclCallbacks callbacks = {}) {
  const std::string id = world().on_root(dist::nccl_unique_id);
  return dist::connect_nccl(id, rank(), ranks(), my_device(), 100, std::move(callbacks));
}

void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

// Faults for a scope, the same on every rank.
struct Injected {
  explicit Injected(const std::string& text) { fake_cuda::set_faults(text); }
  ~Injected() { fake_cuda::set_faults(""); }
};

// The stream on which this thread computes, for a scope.
class Computing {
 public:
  Computing() {
    fake_gpu::set_current_device(my_device());
    DDLS_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, 0));
    fake_gpu::set_current_stream(stream_);
  }
  ~Computing() {
    cudaStreamSynchronize(stream_);
    fake_gpu::set_current_stream(nullptr);
    cudaStreamDestroy(stream_);
  }
  void launch(std::function<void()> kernel) const { fake_cuda::launch(stream_, std::move(kernel)); }
  void synchronize() const { DDLS_CUDA(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

TEST(NcclChannel, ReducesEveryTypeAndSize) {
  const auto nccl = connected();
  const double sum = ranks() * (ranks() + 1) / 2.0;
  uint64_t number = 0;
  for (const at::ScalarType type : {at::kByte, at::kInt, at::kLong, at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const int64_t count : {0, 1, 1000, 300'000}) {
      for (const auto& [op, factor] : {std::pair(Reduce::sum, sum), std::pair(Reduce::mean, sum / ranks()),
                                       std::pair(Reduce::min, 1.0), std::pair(Reduce::max, double(ranks()))}) {
        if (op == Reduce::mean && !at::isFloatingType(type)) continue;
        const at::Tensor pattern = at::arange(count, there(at::kLong)).remainder(7).to(type);
        const at::Tensor mine = pattern * (rank() + 1);
        nccl.all_reduce(mine, op, ++number).wait();
        const at::Tensor wanted = (pattern.to(at::kDouble) * factor).to(type);
        EXPECT_TRUE(at::equal(mine, wanted)) << c10::toString(type) << " " << count;
      }
    }
  }
}

TEST(NcclChannel, BroadcastsFromEveryRank) {
  const auto nccl = connected();
  for (int root = 0; root < ranks(); ++root) {
    const at::Tensor rows = at::full({77'777}, rank() == root ? 3.5 + root : -1, there());
    nccl.broadcast(rows, root, 1).wait();
    EXPECT_TRUE(at::equal(rows, at::full_like(rows, 3.5 + root)));
  }
}

// A computation of so long writes the values, a slow reduction sums them, and what is launched after wait() reads them.
double read_after_wait(const dist::DeviceCollectives& nccl, int milliseconds) {
  const Computing stream;
  const at::Tensor values = at::zeros({64}, there());
  auto* const data = reinterpret_cast<float*>(fake_gpu::host_address(values.data_ptr()));
  stream.launch([=] {
    rest(milliseconds);
    std::fill_n(data, 64, static_cast<float>(rank() + 1));
  });
  if (milliseconds == 0) stream.synchronize();
  Pending pending = nccl.all_reduce(values, Reduce::sum, 1);
  pending.wait();
  std::atomic<double> seen{0};
  stream.launch([&] { seen = static_cast<double>(data[0]) + static_cast<double>(data[63]); });
  stream.synchronize();
  return seen / 2;
}

TEST(NcclChannel, NothingIsReadBeforeItIsThere) {
  const Injected slow("kind=slow,at=1,ms=30");
  const auto nccl = connected();
  EXPECT_EQ(read_after_wait(nccl, 30), ranks() * (ranks() + 1) / 2.0);
}

// That the fake would show it: without the waits between streams the same is wrong.
TEST(NcclChannel, WithoutWaitsItIsReadTooEarly) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "it would report the race, as it should";
#endif
  if (ranks() == 1) GTEST_SKIP() << "the sum of one is it";
  const Injected slow("kind=slow,at=1,ms=60,no_stream_waits=1");
  const auto nccl = connected();
  const double seen = read_after_wait(nccl, 0);
  EXPECT_NE(seen, ranks() * (ranks() + 1) / 2.0);
}

// The host goes on while collectives are under way; as many as were launched are told to have ended, in order.
TEST(NcclChannel, TheHostGoesOnAndHearsWhatHasEnded) {
  const Injected slow("kind=slow,ms=200");
  std::mutex mutex;
  std::vector<uint64_t> ended;
  const auto nccl = connected({.ended = [&](uint64_t number) {
    const std::scoped_lock lock(mutex);
    ended.push_back(number);
  }});
  const auto start = std::chrono::steady_clock::now();
  std::vector<at::Tensor> tensors;
  std::vector<Pending> pending;
  const Computing stream;
  for (uint64_t number = 1; number <= 5; ++number) {
    tensors.push_back(at::ones({100}, there()));
    pending.push_back(nccl.all_reduce(tensors.back(), Reduce::sum, number));
  }
  for (Pending& one : pending) one.wait();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(800));  // not 5 times 200
  stream.synchronize();
  for (const at::Tensor& tensor : tensors) EXPECT_TRUE(at::equal(tensor, at::full_like(tensor, ranks())));
  for (int looks = 0; looks < 100; ++looks) {
    rest(20);
    const std::scoped_lock lock(mutex);
    if (ended.size() == 5) break;
  }
  const std::scoped_lock lock(mutex);
  EXPECT_EQ(ended, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
}

// As with a GPU: the main thread launches, then a thread of autograd, then the main thread again, while the monitor
// looks. For ThreadSanitizer.
TEST(NcclChannel, ThreadsTakeTurnsBesideTheMonitor) {
  const auto nccl = connected();
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(900);
  uint64_t number = 0;
  bool go_on = true;
  while (go_on) {
    const auto some = [&] {
      fake_gpu::set_current_device(my_device());
      std::vector<Pending> pending;
      at::Tensor values = at::ones({20}, there());
      for (int i = 0; i < 3; ++i) pending.push_back(nccl.all_reduce(values, Reduce::max, ++number));
      for (Pending& one : pending) one.wait();
      EXPECT_EQ(values[19].item<float>(), 1);
    };
    some();
    std::thread(some).join();
    go_on = world().any(std::chrono::steady_clock::now() < end);
  }
}

struct Net : torch::nn::Module {
  explicit Net(at::TensorOptions options) {
    for (int i = 0; i < 9; ++i)
      weights.push_back(register_parameter(fmt::format("w{}", i), at::ones({5 + 3 * i}, options)));
  }
  std::vector<at::Tensor> weights;
};

// Hooks of the backward pass send buckets from autograd's thread, in whatever order gradients come: every rank adds its
// terms in an order of its own, and sends the same collectives. A rank that has no shard sends them too.
TEST(NcclChannel, RanksSendTheSameCollectivesFromHooks) {
  const Injected slow("kind=slow,ms=2");
  Net net(there());
  tensor::FlatParameters flat(net);
  dist::GradientReducer reducer(flat, world(), {.exact = false, .bucket_bytes = 64, .first_bucket_bytes = 32});
  const size_t before = fake_cuda::collectives().size();
  for (int round = 0; round < 8; ++round) {
    reducer.begin();
    const bool has_shard = ranks() == 1 || rank() != round % ranks();
    if (has_shard) {
      reducer.arm();
      at::Tensor loss = at::zeros({}, there());
      for (size_t i = 0; i < net.weights.size(); ++i) {
        const size_t turn = (i * static_cast<size_t>(rank() + 2) + static_cast<size_t>(round)) % net.weights.size();
        loss = loss + (net.weights[turn] * static_cast<double>(turn + 1)).sum();
      }
      // Terms that no turn has reached, and those reached twice: every parameter has some gradient all the same.
      for (const at::Tensor& weight : net.weights) loss = loss + weight.sum();
      loss.backward();
      reducer.add_shard();
      reducer.add_scalars(at::ones({2}, there(at::kDouble)));
    }
    const int64_t shards = ranks() == 1 ? 1 : ranks() - 1;
    reducer.finish(shards);
    EXPECT_TRUE(at::isfinite(flat.gradients()).all().item<bool>());
    EXPECT_EQ(reducer.scalars().at(0), static_cast<double>(shards));
  }
  std::vector<std::string> calls = fake_cuda::collectives();
  calls.erase(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_TRUE(ranks() == 1 || calls.size() > 8U * 4U) << calls.size();
  std::string all;
  for (const std::string& call : calls) all += call + "\n";
  world().require_same(hash64(all), "collectives");
}

TEST(NcclChannel, NothingIsLeftOpen) {
  world().barrier();
  fake_gpu::set_current_device(my_device());
  const fake_cuda::Live before = fake_cuda::live();
  for (int i = 0; i < 3; ++i) {
    const auto nccl = connected();
    at::Tensor values = at::ones({10}, there());
    for (uint64_t number = 1; number <= 20; ++number) nccl.all_reduce(values, Reduce::mean, number).wait();
    EXPECT_EQ(values[0].item<float>(), 1);
  }
  const fake_cuda::Live after = fake_cuda::live();
  EXPECT_EQ(after.streams, before.streams);
  EXPECT_EQ(after.communicators, before.communicators);
  // The monitor of world() may hold some that have ended until it looks again.
  for (int looks = 0; looks < 50 && fake_cuda::live().events > 0; ++looks) rest(20);
  EXPECT_EQ(fake_cuda::live().events, 0);
}

TEST(NcclChannel, WhatIsNotSentIsRefused) {
  const auto nccl = connected();
  EXPECT_THROW(nccl.all_reduce(at::ones({3}), Reduce::sum, 1), Error);
  EXPECT_THROW(nccl.all_reduce(at::ones({3}, there(at::kHalf)), Reduce::sum, 1), Error);
  EXPECT_THROW(dist::connect_nccl("no id", 0, 1, my_device(), 1, {}), Error);
}

TEST(NcclChannel, ARankOpensTheContextOfItsOwnGpuAlone) {
  { const auto nccl = connected(); }
  for (int device = 0; device < fake_gpu::device_count(); ++device)
    EXPECT_EQ(fake_gpu::has_context(device), device == my_device()) << device;
}

// NCCL's own rules, of the fake.
TEST(FakeNccl, AGroupIsLaunchedAtItsEnd) {
  const std::string id = world().on_root(dist::nccl_unique_id);
  ncclUniqueId unique;
  std::memcpy(&unique, id.data(), sizeof unique);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 1;
  ncclComm_t comm = nullptr;
  ASSERT_EQ(ncclCommInitRankConfig(&comm, ranks(), unique, rank(), &config), ncclSuccess);
  fake_gpu::set_current_device(my_device());
  cudaStream_t stream = nullptr;
  DDLS_CUDA(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0));
  const at::Tensor one = at::ones({5}, there()), two = at::ones({5}, there());
  const size_t before = fake_cuda::collectives().size();
  ASSERT_EQ(ncclGroupEnd(), ncclInvalidUsage);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  for (const at::Tensor& values : {one, two})
    ASSERT_EQ(ncclAllReduce(values.data_ptr(), values.data_ptr(), 5, ncclFloat32, ncclSum, comm, stream), ncclSuccess);
  EXPECT_EQ(fake_cuda::collectives().size(), before);
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_EQ(fake_cuda::collectives().size(), before + 2);
  DDLS_CUDA(cudaStreamSynchronize(stream));
  EXPECT_TRUE(at::equal(one, at::full_like(one, ranks())) && at::equal(two, one));
  EXPECT_EQ(ncclCommFinalize(comm), ncclSuccess);
  EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
  DDLS_CUDA(cudaStreamDestroy(stream));
}

TEST(FakeNccl, AnEventIsNotReadyUntilItIsReached) {
  const Computing stream;
  cudaEvent_t event = nullptr;
  DDLS_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  std::atomic<bool> go_on{false};
  stream.launch([&] {
    while (!go_on) rest(1);
  });
  DDLS_CUDA(cudaEventRecord(event, static_cast<cudaStream_t>(fake_gpu::current_stream())));
  EXPECT_EQ(cudaEventQuery(event), cudaErrorNotReady);
  go_on = true;
  stream.synchronize();
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  DDLS_CUDA(cudaEventDestroy(event));
}

}  // namespace
}  // namespace ddls
