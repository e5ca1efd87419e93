// One shard per rank, overlapped reduction and batch norm over the global batch: the rank count changes the parameters
// by rounding only. And the sum over ranks that this batch norm uses has the derivatives of a sum.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <mpi.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <filesystem>

#include "models/state.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"
#include "train/cross_rank_sum.hpp"
#include "train/gan_trainer.hpp"

namespace ddls {
namespace {

// Deep networks are compared after fewer steps: a rounding error grows as one of any other origin does (a learning rate
// off by 1e-6 of itself moves their parameters by 1e-5 to 2e-4 in 20 steps), so only a curve's begin can tell rounding
// from a mistake.
struct Case {
  const char* architecture;
  std::vector<int64_t> widths;
  int64_t side, classes, steps;
};

config::Config config_with(const Case& a, const std::string& batch_norm) {
  config::Config c;
  c.model.architecture = a.architecture;
  c.model.latent_dim = 8;
  c.model.generator_widths = c.model.discriminator_widths = a.widths;
  c.model.classes = a.classes;
  c.model.embedding_dim = 8;
  c.train.steps = a.steps;
  c.train.batch = 24;
  c.train.shards = 0;
  c.train.batch_norm = batch_norm;
  c.train.r1_weight = 0.1;
  c.train.r1_every = 4;
  return c;
}

data::Dataset images(const Case& a) {
  data::Dataset data;
  const int64_t channels = a.side == 8 ? 1 : 3;
  const at::Tensor u = tensor::Noise{3}.uniform({0, 100}, channels * a.side * a.side, 0, Stream::data_toy);
  data.samples = (u * 255).to(at::kByte).view({100, channels, a.side, a.side});
  if (a.classes > 0) data.labels = at::arange(100, at::kLong).remainder(a.classes);
  return data;
}

tensor::NamedTensors trained(const Case& a, const config::Config& config, dist::Communicator& comm) {
  const data::Dataset data = images(a);
  train::RunLog log(std::filesystem::temp_directory_path(), false, false);
  const train::TrainContext context{config, data, {}, train::Resume::never, log, comm};
  train::GanTrainer trainer(context);
  for (int64_t step = 0; step < config.train.steps; ++step) trainer.step(step);
  return trainer.checkpoint().tensors.at("generator");
}

// Root mean square over all parameters. Biases that a batch norm follows are left out: it takes them away again, so
// their gradients are 0 but for rounding, and Adam makes steps of the learning rate of that. In these networks those
// are all biases but the last layer's. A single weight's gradient can be as close to 0 too, hence not the largest
// difference.
double difference(const tensor::NamedTensors& a, const tensor::NamedTensors& b) {
  double squares = 0, count = 0;
  for (const auto& [name, tensor] : a) {
    if (name.ends_with(".bias") && name != "last.bias") continue;
    squares += (tensor - b.at(name)).to(at::kDouble).square().sum().item<double>();
    count += static_cast<double>(tensor.numel());
  }
  return std::sqrt(squares / count);
}

class DataParallel : public ::testing::TestWithParam<Case> {};

TEST_P(DataParallel, GlobalBatchNormGivesOneCurveAtAnyRankCount) {
  dist::Communicator self(MPI_COMM_SELF, world().topology());
  const Case& a = GetParam();
  const tensor::NamedTensors alone = trained(a, config_with(a, "global"), self);
  EXPECT_LT(difference(alone, trained(a, config_with(a, "global"), world())), 5e-6);
  if (world().ranks() == 1) return;
  // And it is the batch norm that does it.
  EXPECT_GT(difference(alone, trained(a, config_with(a, "shard"), world())), 5e-5);
}

INSTANTIATE_TEST_SUITE_P(Architectures, DataParallel,
                         ::testing::Values(Case{"dcgan", {16, 8}, 8, 0, 20}, Case{"sn_dcgan", {16, 16, 8, 8}, 32, 0, 5},
                                           Case{"sn_resnet", {8, 8, 8, 8}, 32, 10, 5},
                                           Case{"biggan", {8, 8, 8, 8}, 32, 10, 5}),
                         [](const auto& i) { return std::string(i.param.architecture); });

at::TensorOptions there() { return at::TensorOptions(world().topology().device).dtype(at::kDouble); }

TEST(CrossRankSum, HasFirstAndSecondDerivatives) {
  const double ranks = world().ranks(), mine = world().rank() + 1;
  const at::Tensor x = at::full({3}, mine, there()).requires_grad_(true);
  const auto sum = train::cross_rank_sum(world());
  const at::Tensor total = sum(x);
  const double expected = ranks * (ranks + 1) / 2;
  EXPECT_TRUE(at::equal(total.detach(), at::full({3}, expected, there())));
  // Every rank's loss is sum_i total_i^3: d/dx = ranks * 3 total^2, and once more ranks * ranks * 6 total.
  const at::Tensor gradient = torch::autograd::grad({total.pow(3).sum()}, {x}, {}, true, true).front();
  EXPECT_TRUE(at::equal(gradient.detach(), at::full({3}, ranks * 3 * expected * expected, there())));
  const at::Tensor second = torch::autograd::grad({gradient.sum()}, {x}).front();
  EXPECT_TRUE(at::equal(second, at::full({3}, ranks * ranks * 6 * expected, there())));
}

}  // namespace
}  // namespace ddls
