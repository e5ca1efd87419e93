// How often the host waits for the device: not in a step of a chain, and once in an update of training. Counted on fake
// GPUs; what a wait costs on a real one is that nothing is launched until it has caught up.
#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <filesystem>

#include "ddls/methods/smc.hpp"
#include "ddls/registry.hpp"
#include "ddls/sampler.hpp"
#include "fake_gpu/fake_gpu.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "mpi/world.hpp"
#include "train/gan_trainer.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls {
namespace {

using fake_gpu::Watch;

sampling::Target small_gan(c10::Device device, int64_t classes, sampling::Prior prior = sampling::Prior::normal) {
  config::ModelConfig model;
  model.architecture = "sn_resnet";
  model.latent_dim = 6;
  model.classes = classes;
  model.generator_widths = model.discriminator_widths = model.ratio_widths = {8, 8};
  const auto make = [&](models::Role role) {
    const models::NetworkPtr network = models::make_network(model, role, {3, 8, 8}, 1);
    network->to(device);
    return network;
  };
  sampling::Target target =
      sampling::make_target(make(models::Role::generator), make(models::Role::ratio), 6, device, prior);
  sampling::label_chains(target, "uniform", {classes, {}}, tensor::Noise{5});
  return target;
}

// smc chooses levels, weights and ancestors of its population on the host, in one order on every machine: once in a
// step, and once more for every further move that adapts its size.
int64_t waits_of_a_step(const std::string& sampler, const config::SampleConfig& config) {
  if (sampler != "smc") return 0;
  const auto& smc = config.options_of(sampler).as<sampling::SmcOptions>();
  return smc.adapt ? smc.moves : 1;
}

TEST(Waits, NoneInAStepOfAChain) {
  const tensor::Noise noise{7};
  const config::SampleConfig config = test::quick_config({"obrs.proposals=40"});
  for (const int64_t classes : {0, 3}) {
    const sampling::Target target = small_gan(world().topology().device, classes);
    for (const sampling::Sampler& sampler : sampling::samplers()) {
      const sampling::Method method = sampling::make_method(sampler.name, config, target, noise);
      if (method.steps == 0) continue;
      sampling::Chains chains = sampling::start(method, {0, 8}, target, noise);
      const Watch watch;
      for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
      std::printf("%s: %ld steps, waits: %s\n", sampler.name.c_str(), static_cast<long>(method.steps),
                  watch.text().c_str());
      EXPECT_EQ(watch.waits(), method.steps * waits_of_a_step(sampler.name, config)) << watch.text();
    }
  }
}

// Between records the device is asked every eighth step whether chains were lost, and for nothing else.
TEST(Waits, OfABlockAreThoseOfItsRecords) {
  const tensor::Noise noise{7};
  const sampling::Target target = small_gan(world().topology().device, 0);
  const auto waits = [&](int64_t steps) {
    const config::SampleConfig config = test::sample_config({fmt::format("ddls.steps={}", steps), "record_every=1000"});
    const sampling::Method method = sampling::make_method("ddls", config, target, noise);
    const Watch watch;
    sampling::run_block(method, target, noise, BlockPlan{8, 8}.block(0), sampling::plan_records(config, steps));
    return watch.waits();
  };
  EXPECT_EQ(waits(56) - waits(16), 5);
}

struct Kind {
  const char* name;
  void (*change)(config::Config& config);
};

class TrainingWaits : public ::testing::TestWithParam<Kind> {};

config::Config small_config() {
  config::Config c;
  c.model.architecture = "sn_resnet";
  c.model.latent_dim = 4;
  c.model.classes = 3;
  c.model.generator_widths = c.model.discriminator_widths = {8, 8};
  c.train.steps = 5;
  c.train.batch = 24;
  c.train.shards = 4;
  c.train.discriminator_steps = 2;
  c.train.ema_decay = 0.9;
  return c;
}

data::Dataset small_data(bool labels) {
  data::Dataset data;
  data.samples =
      (tensor::Noise{3}.uniform({0, 50}, 3 * 8 * 8, 0, Stream::data_toy) * 255).to(at::kByte).view({50, 3, 8, 8});
  if (labels) data.labels = at::arange(50, at::kLong).remainder(3);
  return data;
}

TEST_P(TrainingWaits, OncePerUpdateAtMost) {
  config::Config config = small_config();
  GetParam().change(config);
  const data::Dataset data = small_data(config.model.classes > 0);
  train::RunLog log(std::filesystem::temp_directory_path(), false, false);
  const train::TrainContext context{config, data, {}, train::Resume::never, log, world()};
  train::GanTrainer trainer(context);
  trainer.step(0);  // looks once for parameters without a gradient
  const Watch watch;
  constexpr int64_t steps = 4;
  for (int64_t step = 1; step <= steps; ++step) trainer.step(step);
  const int64_t updates = steps * (config.train.discriminator_steps + 1);
  if (world().root()) std::printf("%ld updates, waits: %s\n", static_cast<long>(updates), watch.text().c_str());
  EXPECT_LE(watch.waits(), updates) << watch.text();
}

INSTANTIATE_TEST_SUITE_P(Kinds, TrainingWaits,
                         ::testing::Values(Kind{"plain", [](config::Config&) {}},
                                           Kind{"unlabelled", [](config::Config& c) { c.model.classes = 0; }},
                                           Kind{"overlapped",
                                                [](config::Config& c) {
                                                  c.train.shards = 0;
                                                  c.train.batch_norm = "global";
                                                }},
                                           Kind{"penalised",
                                                [](config::Config& c) {
                                                  c.train.r1_weight = 0.1;
                                                  c.train.r1_every = 1;
                                                  c.train.gp_weight = 1;
                                                  c.train.orthogonal_weight = 1e-4;
                                                }},
                                           Kind{"moved",
                                                [](config::Config& c) {
                                                  c.train.ddls.mode = "both";
                                                  c.train.ddls.persistent = true;
                                                  c.train.ddls.chains = 48;
                                                  c.train.ddls.steps = 3;
                                                }}),
                         [](const auto& i) { return std::string(i.param.name); });

// Half a GB of a real GPU for each that some thread touches.
TEST(Contexts, ARankOpensThatOfItsOwnGpuAlone) {
  const int mine = world().topology().device.index();
  for (int device = 0; device < fake_gpu::device_count(); ++device)
    EXPECT_EQ(fake_gpu::has_context(device), device == mine) << device;
}

}  // namespace
}  // namespace ddls
