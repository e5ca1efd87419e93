// What only a GPU can show: collectives on its tensors with exact expectations, over NCCL where every rank has a GPU of its
// own and through host memory where ranks share one; and energies and gradients that agree with the CPU's. Skipped where
// there is no GPU. launch/gpu_check.sh runs it at 1 rank, at 2 ranks on one GPU, and at all GPUs.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <cstdlib>

#include "ddls/target.hpp"
#include "dist/cuda_bridge.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    const cuda::Devices devices = cuda::devices();
    if (world().any(devices.count == 0)) GTEST_SKIP() << "no GPU: " << devices.problem;
    topology_ = find_topology(MPI_COMM_WORLD, "cuda");
    comm_ = std::make_unique<Communicator>(MPI_COMM_WORLD, topology_, 60);
  }
  at::TensorOptions on_gpu(at::ScalarType type) const {
    return at::TensorOptions().device(topology_.device).dtype(type);
  }
  // Small whole numbers: sums are exact in every order.
  at::Tensor ramp(int64_t numel, at::ScalarType type, int64_t scale) const {
    return (at::arange(numel, on_gpu(at::kLong)) % 7 * scale).to(type);
  }

  Topology topology_;
  std::unique_ptr<Communicator> comm_;
};

void expect_equal(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
  EXPECT_TRUE(got.is_cuda()) << what;
  EXPECT_TRUE(at::equal(got, wanted)) << what;
}

TEST_F(Gpu, TransportIsNcclUnlessRanksShareAGpu) {
  const bool share = topology_.ranks > 1 && cuda::devices().count < topology_.local_ranks;
  EXPECT_EQ(topology_.transport, cuda::has_nccl() && !share ? Transport::nccl : Transport::staged);
}

TEST_F(Gpu, AllReduceIsExact) {
  const int64_t ranks = comm_->ranks(), mine = comm_->rank() + 1, total = ranks * (ranks + 1) / 2;
  for (const at::ScalarType type : {at::kByte, at::kInt, at::kLong, at::kFloat, at::kDouble, at::kBFloat16}) {
    for (const int64_t numel : {1, 37, 1 << 20}) {
      const std::string what = std::string(c10::toString(type)) + " " + std::to_string(numel);
      at::Tensor sum = ramp(numel, type, mine);
      comm_->all_reduce(sum);
      expect_equal(sum, ramp(numel, type, total), "sum " + what);
      at::Tensor least = ramp(numel, type, mine);
      comm_->all_reduce(least, Reduce::min);
      expect_equal(least, ramp(numel, type, 1), "min " + what);
      at::Tensor most = ramp(numel, type, mine);
      comm_->all_reduce_async(most, Reduce::max).wait();
      expect_equal(most, ramp(numel, type, ranks), "max " + what);
    }
  }
}

TEST_F(Gpu, ManyReductionsUnderWayAtOnce) {
  const int64_t ranks = comm_->ranks();
  std::vector<at::Tensor> tensors;
  std::vector<Pending> pending;
  for (int64_t i = 0; i < 32; ++i) {
    tensors.push_back(at::full({1 << 16}, static_cast<double>(i + comm_->rank()), on_gpu(at::kFloat)));
    pending.push_back(comm_->all_reduce_async(tensors.back()));
  }
  for (Pending& p : pending) p.wait();
  for (int64_t i = 0; i < 32; ++i) {
    const auto wanted = static_cast<double>(i * ranks + ranks * (ranks - 1) / 2);
    expect_equal(tensors[static_cast<size_t>(i)], at::full({1 << 16}, wanted, on_gpu(at::kFloat)), std::to_string(i));
  }
}

TEST_F(Gpu, BroadcastAndGatherRows) {
  const int ranks = comm_->ranks(), last = ranks - 1;
  at::Tensor word = at::full({1000}, comm_->rank(), on_gpu(at::kFloat));
  comm_->broadcast(word, last);
  expect_equal(word, at::full({1000}, last, on_gpu(at::kFloat)), "broadcast");
  const auto all = comm_->gather_rows(at::full({comm_->rank() + 1, 3}, comm_->rank(), on_gpu(at::kFloat)));
  ASSERT_EQ(all.has_value(), comm_->root());
  if (!all) return;
  EXPECT_EQ(all->size(0), static_cast<int64_t>(ranks) * (ranks + 1) / 2);
  for (int64_t rank = 0, row = 0; rank < ranks; row += ++rank)
    EXPECT_TRUE(at::equal(all->narrow(0, row, rank + 1), at::full({rank + 1, 3}, rank, at::kFloat))) << rank;
}

// Energies and their gradients at the same weights and latents, to 1e-4 of their size.
TEST_F(Gpu, EnergiesAndGradientsAgreeWithTheCpu) {
  at::globalContext().setAllowTF32CuDNN(false);
  for (const char* architecture : {"dcgan", "sn_resnet"}) {
    ModelConfig model;
    model.architecture = architecture;
    model.latent_dim = 16;
    model.generator_widths = model.discriminator_widths = {32, 32};
    const SampleShape image{3, 16, 16};
    const auto target_on = [&](c10::Device device) {
      const NetworkPtr generator = make_network(model, Role::generator, image, 1);
      const NetworkPtr discriminator = make_network(model, Role::discriminator, image, 1);
      generator->to(device);
      discriminator->to(device);
      return make_target(generator, discriminator, model.latent_dim, device);
    };
    const at::Tensor z = Noise{5}.normal({0, 32}, model.latent_dim, 0, Stream::prior);
    const Evaluation cpu = target_on(c10::Device(at::kCPU)).evaluate(z);
    const Evaluation gpu = target_on(topology_.device).evaluate(z.to(topology_.device));
    const auto close = [&](const at::Tensor& a, const at::Tensor& b, const char* what) {
      const double size = b.abs().max().item<double>(), error = (a.cpu() - b).abs().max().item<double>();
      EXPECT_LE(error, 1e-4 * size + 1e-6) << architecture << ", " << what << " of size " << size;
      EXPECT_GT(size, 0) << architecture << ", " << what;
    };
    close(gpu.log_ratio, cpu.log_ratio, "log ratio");
    close(gpu.grad_log_ratio, cpu.grad_log_ratio, "gradient");
    close(energy(gpu), energy(cpu), "energy");
  }
}

}  // namespace
}  // namespace ddls
