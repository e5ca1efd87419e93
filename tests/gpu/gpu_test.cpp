// What only a GPU can show: collectives on its tensors with exact expectations, over NCCL where every rank has a GPU of
// its own and through host memory where ranks share one; noise, energies and gradients that agree with the CPU's; and
// chains that are the same whether their evaluations are launched or replayed from a CUDA graph. Skipped where there is
// no GPU. launch/gpu_check.sh runs it at 1 rank, at 2 ranks on one GPU, and at all GPUs.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <cstdlib>

#include "base/error.hpp"
#include "ddls/graphed.hpp"
#include "ddls/registry.hpp"
#include "ddls/target.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_graph.hpp"
#include "dist/nccl_channel.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls {
namespace {

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    const device::Devices devices = device::devices();
    if (world().any(devices.count == 0)) GTEST_SKIP() << "no GPU: " << devices.problem;
    topology_ = dist::find_topology(MPI_COMM_WORLD, "cuda");
    comm_ = std::make_unique<dist::Communicator>(MPI_COMM_WORLD, topology_, 60);
  }
  at::TensorOptions on_gpu(at::ScalarType type) const {
    return at::TensorOptions().device(topology_.device).dtype(type);
  }
  // Small whole numbers: sums are exact in every order.
  at::Tensor ramp(int64_t numel, at::ScalarType type, int64_t scale) const {
    return (at::arange(numel, on_gpu(at::kLong)) % 7 * scale).to(type);
  }

  dist::Topology topology_;
  std::unique_ptr<dist::Communicator> comm_;
};

void expect_equal(const at::Tensor& got, const at::Tensor& wanted, const std::string& what) {
  EXPECT_FALSE(got.is_cpu()) << what;
  EXPECT_TRUE(at::equal(got, wanted)) << what;
}

TEST_F(Gpu, TransportIsNcclUnlessRanksShareAGpu) {
  const bool share = topology_.ranks > 1 && device::devices().count < topology_.local_ranks;
  EXPECT_EQ(topology_.transport, device::built_with_cuda() && !share ? dist::Transport::nccl : dist::Transport::staged);
}

// One rank needs no NCCL, but this is where it can be seen to start, and to end, on a machine of one GPU.
TEST_F(Gpu, NcclOfOneRankStartsAndEnds) {
  if (!device::built_with_cuda()) GTEST_SKIP() << "built without CUDA";
  if (comm_->ranks() > 1) GTEST_SKIP() << "for one rank";
  for (int repeat = 0; repeat < 2; ++repeat) {
    dist::DeviceCollectives nccl = dist::connect_nccl(dist::nccl_unique_id(), 0, 1, topology_.device.index(), 60, {});
    at::Tensor tensor = ramp(1000, at::kFloat, 3);
    nccl.all_reduce(tensor, dist::Reduce::sum, 1).wait();
    nccl.broadcast(tensor, 0, 2).wait();
    expect_equal(tensor, ramp(1000, at::kFloat, 3), "one rank");
  }
}

// A function that copies to the host cannot be recorded: the error says so, and work on the GPU goes on.
TEST_F(Gpu, AFailedRecordingEnds) {
  if (!device::built_with_cuda()) GTEST_SKIP() << "built without CUDA";
  device::CudaGraph graph([](const device::CudaGraph::Tensors& in) -> device::CudaGraph::Tensors {
    return {in[0] * in[0].sum().item<double>()};
  });
  const at::Tensor ones = at::ones({8}, on_gpu(at::kFloat));
  try {
    graph({ones});
    ADD_FAILURE() << "recorded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::config) << error.what();
  }
  const at::Tensor large = at::empty({64 << 20}, on_gpu(at::kFloat)).fill_(2);
  EXPECT_EQ(large.sum().item<double>(), 2.0 * (64 << 20));
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
      comm_->all_reduce(least, dist::Reduce::min);
      expect_equal(least, ramp(numel, type, 1), "min " + what);
      at::Tensor most = ramp(numel, type, mine);
      comm_->all_reduce_async(most, dist::Reduce::max).wait();
      expect_equal(most, ramp(numel, type, ranks), "max " + what);
    }
  }
}

TEST_F(Gpu, ManyReductionsUnderWayAtOnce) {
  const int64_t ranks = comm_->ranks();
  std::vector<at::Tensor> tensors;
  std::vector<dist::Pending> pending;
  for (int64_t i = 0; i < 32; ++i) {
    tensors.push_back(at::full({1 << 16}, static_cast<double>(i + comm_->rank()), on_gpu(at::kFloat)));
    pending.push_back(comm_->all_reduce_async(tensors.back()));
  }
  for (dist::Pending& p : pending) p.wait();
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

TEST_F(Gpu, NoiseIsTheCpus) {
  const tensor::Noise noise{0x123456789ABCDEFULL};
  for (const int64_t dim : {1, 2, 5, 128}) {
    const IdRange ids{(int64_t{1} << 32) - 3, (int64_t{1} << 32) + 40};
    const int64_t step = (int64_t{1} << 33) + 7;
    const at::Tensor u = noise.uniform(ids, dim, step, Stream::accept, topology_.device);
    expect_equal(u, noise.uniform(ids, dim, step, Stream::accept).to(topology_.device), "uniform");
    const at::Tensor n = noise.normal(ids, dim, step, Stream::langevin, topology_.device);
    ASSERT_FALSE(n.is_cpu());
    const double error = (n.cpu() - noise.normal(ids, dim, step, Stream::langevin)).abs().max().item<double>();
    EXPECT_LE(error, 5e-6) << dim;  // the greatest normal there is has a size of 5.6
    const at::Tensor z = noise.normal(ids, dim, 1, Stream::prior), slope = noise.normal(ids, dim, 2, Stream::prior);
    const at::Tensor moved = noise.langevin_move(z, slope, 0.02, 0.7, ids, step, Stream::langevin);
    const at::Tensor there =
        noise.langevin_move(z.to(topology_.device), slope.to(topology_.device), 0.02, 0.7, ids, step, Stream::langevin);
    ASSERT_FALSE(there.is_cpu());
    EXPECT_LE((there.cpu() - moved).abs().max().item<double>(), 5e-6) << dim;
    EXPECT_GT((moved - z).abs().max().item<double>(), 0.01) << dim;
  }
}

// Two methods with labels, blocks of two sizes in turn, so that both recordings are used again.
TEST_F(Gpu, ChainsOfACudaGraphAreThoseOfLaunchedKernels) {
  if (!device::built_with_cuda()) GTEST_SKIP() << "built without CUDA";
  config::ModelConfig model;
  model.architecture = "sn_resnet";
  model.latent_dim = 16;
  model.classes = 3;
  model.generator_widths = model.discriminator_widths = {32, 32};
  const models::SampleShape image{3, 16, 16};
  const models::NetworkPtr generator = models::make_network(model, models::Role::generator, image, 1);
  const models::NetworkPtr discriminator = models::make_network(model, models::Role::discriminator, image, 1);
  generator->to(topology_.device);
  discriminator->to(topology_.device);
  sampling::Target eager = sampling::make_target(generator, discriminator, model.latent_dim, topology_.device);
  eager.labels_of = [](IdRange ids) { return at::arange(ids.begin, ids.end, at::kLong) % 3; };
  const sampling::Target replayed = sampling::graphed(eager);
  const tensor::Noise noise{3};
  const config::SampleConfig config =
      test::sample_config({"ddls.steps=20", "mala.steps=20", "mala.step_sizes=[0.05]", "mala.adapt=false"});
  for (const char* name : {"ddls", "mala"}) {
    const auto latents = [&](const sampling::Target& target) {
      const sampling::Method method = sampling::make_method(name, config, target, noise);
      sampling::Chains large = sampling::start(method, {0, 32}, target, noise),
                       small = sampling::start(method, {32, 40}, target, noise);
      for (int64_t step = 0; step < method.steps; ++step) {
        method.advance(large, step);
        method.advance(small, step);
      }
      return at::cat({large.z, small.z}).cpu();
    };
    const at::Tensor a = latents(eager), b = latents(replayed);
    EXPECT_LE((a - b).abs().max().item<double>(), 1e-4) << name;
    EXPECT_GT((a - noise.normal({0, 40}, 16, 0, Stream::prior)).abs().max().item<double>(), 0.1) << name;
  }
}

// Energies and their gradients at the same weights and latents, to 1e-4 of their size. Of gradients the median over
// chains: where a ReLU's input is zero to rounding, single chains differ by what that unit carries.
TEST_F(Gpu, EnergiesAndGradientsAgreeWithTheCpu) {
  for (const char* architecture : {"dcgan", "sn_resnet"}) {
    config::ModelConfig model;
    model.architecture = architecture;
    model.latent_dim = 16;
    model.generator_widths = model.discriminator_widths = {32, 32};
    const models::SampleShape image{3, 16, 16};
    const auto target_on = [&](c10::Device device) {
      const models::NetworkPtr generator = models::make_network(model, models::Role::generator, image, 1);
      const models::NetworkPtr discriminator = models::make_network(model, models::Role::discriminator, image, 1);
      generator->to(device);
      discriminator->to(device);
      return sampling::make_target(generator, discriminator, model.latent_dim, device);
    };
    const at::Tensor z = tensor::Noise{5}.normal({0, 32}, model.latent_dim, 0, Stream::prior);
    const sampling::Evaluation cpu = target_on(c10::Device(at::kCPU)).evaluate(z);
    const sampling::Evaluation gpu = target_on(topology_.device).evaluate(z.to(topology_.device));
    const auto close = [&](const at::Tensor& a, const at::Tensor& b, const char* what) {
      const at::Tensor of_chain = (a.cpu() - b).abs().reshape({b.size(0), -1}).amax(1);
      const double size = b.abs().max().item<double>();
      const double error = (b.dim() > 1 ? of_chain.median() : of_chain.max()).item<double>();
      EXPECT_LE(error, 1e-4 * size + 1e-6) << architecture << ", " << what << " of size " << size;
      EXPECT_GT(size, 0) << architecture << ", " << what;
    };
    close(gpu.log_ratio, cpu.log_ratio, "log ratio");
    close(gpu.grad_log_ratio, cpu.grad_log_ratio, "gradient");
    close(sampling::energy(gpu), sampling::energy(cpu), "energy");
  }
}

}  // namespace
}  // namespace ddls
