// What a GPU computes, and how: every architecture in float64 against the CPU, with the derivatives of penalties; an
// alarm where an operation has no deterministic implementation; and one where the host waits. Skipped where there is no
// GPU.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"
#include "ddls/registry.hpp"
#include "ddls/target.hpp"
#include "device/cuda_bridge.hpp"
#include "device/wait_alarm.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "mpi/world.hpp"
#include "tensor/noise.hpp"
#include "train/gan_trainer.hpp"
#include "train/gradient_penalty.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls {
namespace {

class GpuNumerics : public testing::Test {
 protected:
  void SetUp() override {
    const device::Devices devices = device::devices();
    if (world().any(devices.count == 0)) GTEST_SKIP() << "no GPU: " << devices.problem;
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // asked for where algorithms have to be deterministic
    topology_ = dist::find_topology(MPI_COMM_WORLD, "cuda");
    comm_ = std::make_unique<dist::Communicator>(MPI_COMM_WORLD, topology_, 60);
  }

  dist::Topology topology_;
  std::unique_ptr<dist::Communicator> comm_;
};

struct Case {
  std::string name;
  config::ModelConfig model;
  models::SampleShape shape;
};

std::vector<Case> every_architecture() {
  const auto images = [](const char* architecture, int64_t classes = 0) {
    config::ModelConfig model;
    model.architecture = architecture;
    model.latent_dim = 12;
    model.classes = classes;
    model.embedding_dim = 8;
    model.generator_widths = model.discriminator_widths = model.ratio_widths = {24, 24};
    return Case{architecture, model, {3, 16, 16}};
  };
  Case points = images("mlp");
  points.shape = {2};
  points.model.latent_dim = 2;
  points.model.ratio_frequencies = {1, 3};
  Case attention = images("biggan", 3);
  attention.name = "biggan with attention";
  attention.model.attention_side = 8;
  attention.model.generator_widths = attention.model.discriminator_widths = attention.model.ratio_widths = {24, 24, 24};
  Case bilinear = images("sn_resnet", 3);
  bilinear.name = "sn_resnet, bilinear";
  bilinear.model.upsampling = "bilinear";
  return {points,
          images("mlp_cgan", 3),
          images("dcgan"),
          images("sn_dcgan"),
          images("sn_resnet"),
          images("sn_resnet", 3),
          bilinear,
          images("wgangp_resnet"),
          images("biggan", 3),
          attention};
}

struct Computed {
  std::string name;
  at::Tensor value;  // float64, on the CPU
};

// In training mode: samples, logits, the gradient of the generator's loss, that of a penalty on a gradient (a double
// backward), and that of the penalty between reals and samples.
std::vector<Computed> computed_on(c10::Device device, const Case& c) {
  const auto made = [&](models::Role role) {
    models::NetworkPtr network = models::make_network(c.model, role, c.shape, 1);
    network->to(at::kDouble);
    network->to(device);
    return network;
  };
  const models::NetworkPtr generator = made(models::Role::generator), discriminator = made(models::Role::discriminator);
  const at::TensorOptions there = at::TensorOptions(device).dtype(at::kDouble);
  const IdRange ids{0, 6};
  const tensor::Noise noise{5};
  const at::Tensor z = noise.normal(ids, c.model.latent_dim, 0, Stream::prior).to(there);
  const at::Tensor labels =
      c.model.classes > 0 ? at::arange(6, at::kLong).remainder(c.model.classes).to(device) : at::Tensor();
  std::vector<Computed> found;
  const auto keep = [&](const std::string& name, const at::Tensor& value) {
    found.push_back({name, value.detach().cpu()});
  };
  const auto keep_gradients = [&](const std::string& name, models::Network& network, const at::Tensor& loss) {
    const std::vector<at::Tensor> parameters = network.parameters();
    const auto gradients =
        torch::autograd::grad({loss}, parameters, {}, /*retain_graph=*/true, false, /*allow_unused=*/true);
    for (size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined()) keep(name + " " + std::to_string(i), gradients[i]);
  };
  const at::Tensor fake = generator->forward(z, labels), logits = discriminator->forward(fake, labels);
  keep("samples", fake);
  keep("logits", logits);
  keep_gradients("gradient of the generator", *generator, logits.mean());
  const at::Tensor real = fake.detach().flip(0).mul(0.9).requires_grad_(true);
  keep_gradients("R1", *discriminator, train::r1_penalty(real, discriminator->forward(real, labels)));
  const at::Tensor u = noise.uniform(ids, 1, 3, Stream::accept).squeeze(1).to(there);
  keep_gradients("penalty between", *discriminator,
                 train::interpolation_penalty([&](const at::Tensor& x) { return discriminator->forward(x, labels); },
                                              real.detach(), fake.detach(), u));
  return found;
}

TEST_F(GpuNumerics, EveryArchitectureInFloat64AgreesWithTheCpu) {
  for (const Case& c : every_architecture()) {
    const std::vector<Computed> cpu = computed_on(at::kCPU, c), gpu = computed_on(topology_.device, c);
    ASSERT_EQ(cpu.size(), gpu.size()) << c.name;
    EXPECT_GT(cpu.size(), 8U) << c.name;
    double largest = 0;
    for (size_t i = 0; i < cpu.size(); ++i) {
      const double size = cpu[i].value.abs().max().item<double>();
      const double error = (cpu[i].value - gpu[i].value).abs().max().item<double>();
      EXPECT_LE(error, 1e-9 * size + 1e-12) << c.name << ": " << cpu[i].name << " of size " << size;
      largest = std::max(largest, size);
    }
    EXPECT_GT(largest, 0) << c.name;
  }
}

config::Config small_training() {
  config::Config c;
  c.model.architecture = "sn_resnet";
  c.model.latent_dim = 4;
  c.model.classes = 3;
  c.model.generator_widths = c.model.discriminator_widths = {8, 8};
  c.train.steps = 5;
  c.train.batch = 24;
  c.train.shards = 2;
  c.train.ema_decay = 0.9;
  c.train.r1_weight = 0.1;
  c.train.r1_every = 1;
  c.train.gp_weight = 1;
  return c;
}

// As Torch's operations say: an alarm for those that may give other bytes another time. What nobody wrote is NaN then.
TEST_F(GpuNumerics, NothingIsWithoutADeterministicImplementation) {
  struct Deterministic {
    Deterministic() { at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false); }
    ~Deterministic() { at::globalContext().setDeterministicAlgorithms(false, false); }
  };
  const config::Config config = small_training();
  data::Dataset data;
  data.samples =
      (tensor::Noise{3}.uniform({0, 50}, 3 * 8 * 8, 0, Stream::data_toy) * 255).to(at::kByte).view({50, 3, 8, 8});
  data.labels = at::arange(50, at::kLong).remainder(3);
  train::RunLog log(std::filesystem::temp_directory_path(), false, false);
  const train::TrainContext context{config, data, {}, train::Resume::never, log, *comm_};
  std::vector<std::vector<double>> losses;
  const Deterministic alarm;
  for (int repeat = 0; repeat < 2; ++repeat) {
    train::GanTrainer trainer(context);
    for (int64_t step = 0; step < 2; ++step) losses.push_back(trainer.step(step));
    for (const double value : losses.back()) EXPECT_TRUE(std::isfinite(value));
  }
  EXPECT_EQ(losses[1], losses[3]);
}

// Seven steps of every method, and no value is read. smc asks on the host, once in a step (docs/architecture.md).
TEST_F(GpuNumerics, NoStepOfAChainWaits) {
  config::ModelConfig model;
  model.architecture = "sn_resnet";
  model.latent_dim = 6;
  model.generator_widths = model.discriminator_widths = model.ratio_widths = {8, 8};
  const auto made = [&](models::Role role) {
    const models::NetworkPtr network = models::make_network(model, role, {3, 8, 8}, 1);
    network->to(topology_.device);
    return network;
  };
  const sampling::Target target =
      sampling::make_target(made(models::Role::generator), made(models::Role::ratio), 6, topology_.device);
  const tensor::Noise noise{7};
  const config::SampleConfig config = test::quick_config({"obrs.proposals=40"});
  for (const sampling::Sampler& sampler : sampling::samplers()) {
    if (sampler.name == "smc") continue;
    const sampling::Method method = sampling::make_method(sampler.name, config, target, noise);
    sampling::Chains chains = sampling::start(method, {0, 8}, target, noise);
    int64_t step = 0;
    const auto advance_to = [&](int64_t last) {
      for (; step < std::min(last, method.steps); ++step) method.advance(chains, step);
    };
    advance_to(1);  // plans and kernels are made
    const device::WaitAlarm alarm;
    EXPECT_NO_THROW(advance_to(8)) << sampler.name;
  }
}

// That the alarm rings.
TEST_F(GpuNumerics, AWaitIsNoticed) {
  if (!device::built_with_cuda()) GTEST_SKIP() << "built without CUDA";
  const at::Tensor ones = at::ones({8}, topology_.device);
  const device::WaitAlarm alarm;
  EXPECT_ANY_THROW(ones.sum().item<float>());
}

}  // namespace
}  // namespace ddls
