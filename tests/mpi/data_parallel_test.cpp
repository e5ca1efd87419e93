// One shard per rank, overlapped reduction and batch norm over the global batch: the rank count changes the parameters by
// rounding only. And the sum over ranks that this batch norm uses has the derivatives of a sum.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <mpi.h>
#include <torch/csrc/autograd/autograd.h>

#include <filesystem>

#include "models/state.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"
#include "train/cross_rank_sum.hpp"
#include "train/gan_trainer.hpp"

namespace ddls {
namespace {

Config config_with(const std::string& batch_norm) {
  Config c;
  c.model.architecture = "dcgan";
  c.model.latent_dim = 8;
  c.model.generator_widths = c.model.discriminator_widths = {16, 8};
  c.train.steps = 20;
  c.train.batch = 24;
  c.train.shards = 0;
  c.train.batch_norm = batch_norm;
  c.train.r1_weight = 0.1;
  c.train.r1_every = 4;
  return c;
}

Dataset images() {
  Dataset data;
  const at::Tensor u = Noise{3}.uniform({0, 100}, 8 * 8, 0, Stream::data_toy);
  data.samples = (u * 255).to(at::kByte).view({100, 1, 8, 8});
  return data;
}

NamedTensors after_20_steps(const Config& config, Communicator& comm) {
  const Dataset data = images();
  RunLog log(std::filesystem::temp_directory_path(), false, false);
  const TrainContext context{config, data, {}, Resume::never, log, comm};
  GanTrainer trainer(context);
  for (int64_t step = 0; step < config.train.steps; ++step) trainer.step(step);
  return trainer.checkpoint().tensors.at("generator");
}

double largest_difference(const NamedTensors& a, const NamedTensors& b) {
  double largest = 0;
  for (const auto& [name, tensor] : a) largest = std::max(largest, (tensor - b.at(name)).abs().max().item<double>());
  return largest;
}

TEST(DataParallel, GlobalBatchNormGivesOneCurveAtAnyRankCount) {
  Communicator self(MPI_COMM_SELF, find_topology(MPI_COMM_SELF, "cpu"));
  const NamedTensors alone = after_20_steps(config_with("global"), self);
  EXPECT_LT(largest_difference(alone, after_20_steps(config_with("global"), world())), 1e-5);
  if (world().ranks() == 1) return;
  // And it is the batch norm that does it.
  EXPECT_GT(largest_difference(alone, after_20_steps(config_with("shard"), world())), 1e-5);
}

TEST(DataParallel, CrossRankSumHasFirstAndSecondDerivatives) {
  const double ranks = world().ranks(), mine = world().rank() + 1;
  const at::Tensor x = at::full({3}, mine, at::kDouble).requires_grad_(true);
  const auto sum = cross_rank_sum(world());
  const at::Tensor total = sum(x);
  const double expected = ranks * (ranks + 1) / 2;
  EXPECT_TRUE(at::equal(total.detach(), at::full({3}, expected, at::kDouble)));
  // Every rank's loss is sum_i total_i^3: d/dx = ranks * 3 total^2, and once more ranks * ranks * 6 total.
  const at::Tensor gradient = torch::autograd::grad({total.pow(3).sum()}, {x}, {}, true, true).front();
  EXPECT_TRUE(at::equal(gradient.detach(), at::full({3}, ranks * 3 * expected * expected, at::kDouble)));
  const at::Tensor second = torch::autograd::grad({gradient.sum()}, {x}).front();
  EXPECT_TRUE(at::equal(second, at::full({3}, ranks * ranks * 6 * expected, at::kDouble)));
}

}  // namespace
}  // namespace ddls
