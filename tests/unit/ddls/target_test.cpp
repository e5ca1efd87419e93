#include "ddls/target.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "config/config.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

struct Case {
  const char* name;
  ModelConfig model;
  SampleShape shape;
};

std::vector<Case> cases() {
  ModelConfig mlp;
  mlp.generator_widths = mlp.ratio_widths = {32, 32};
  ModelConfig dcgan;
  dcgan.architecture = "dcgan";
  dcgan.latent_dim = 16;
  dcgan.generator_widths = {16, 8};
  dcgan.ratio_widths = {8, 16};
  dcgan.ratio_hidden = 32;
  return {{"mlp", mlp, {2}}, {"dcgan", dcgan, {1, 28, 28}}};
}

TEST(Target, EnergyIsMinusLogPriorMinusLogit) {
  for (const Case& c : cases()) {
    const NetworkPtr g = make_network(c.model, Role::generator, c.shape, 1),
                     r = make_network(c.model, Role::ratio, c.shape, 1);
    const Target target = make_target(g, r, c.model.latent_dim, at::kCPU);
    const at::Tensor z = Noise{3}.normal({0, 7}, c.model.latent_dim, 0, Stream::prior);
    const Evaluation e = target.evaluate(z);
    at::NoGradGuard no_grad;
    EXPECT_TRUE(at::allclose(energy(e), 0.5 * z.square().sum(1) - r->forward(g->forward(z)), 1e-5, 1e-6)) << c.name;
    // What is decoded is what was scored.
    EXPECT_TRUE(at::allclose(r->forward(target.decode(z)), e.log_ratio, 1e-5, 1e-6)) << c.name;
    EXPECT_TRUE(at::equal(target.log_ratio(z), e.log_ratio)) << c.name;
  }
}

// Directional derivatives in float64 by central differences, through every architecture.
TEST(Target, GradientAgreesWithFiniteDifferences) {
  for (const Case& c : cases()) {
    const NetworkPtr g = make_network(c.model, Role::generator, c.shape, 2),
                     r = make_network(c.model, Role::ratio, c.shape, 2);
    g->to(at::kDouble);
    r->to(at::kDouble);
    const Target target = make_target(g, r, c.model.latent_dim, at::kCPU);
    const at::Tensor z = Noise{4}.normal({0, 5}, c.model.latent_dim, 0, Stream::prior).to(at::kDouble);
    const at::Tensor direction = Noise{5}.normal({0, 5}, c.model.latent_dim, 0, Stream::prior).to(at::kDouble);
    const Evaluation e = target.evaluate(z);
    const double h = 1e-6;
    const at::Tensor numeric =
        (energy(target.evaluate(z + h * direction)) - energy(target.evaluate(z - h * direction))) / (2 * h);
    const at::Tensor analytic = (energy_gradient(z, e) * direction).sum(1);
    EXPECT_TRUE(at::allclose(analytic, numeric, 1e-5, 1e-6)) << c.name << (analytic - numeric);
  }
}

TEST(Target, NothingButZGetsAGradientAndNothingMoves) {
  for (const Case& c : cases()) {
    const NetworkPtr g = make_network(c.model, Role::generator, c.shape, 1),
                     r = make_network(c.model, Role::ratio, c.shape, 1);
    const Target target = make_target(g, r, c.model.latent_dim, at::kCPU);
    const at::Tensor z = Noise{3}.normal({0, 4}, c.model.latent_dim, 0, Stream::prior);
    const Evaluation first = target.evaluate(z);
    for (int i = 0; i < 20; ++i) target.evaluate(z + i);
    EXPECT_TRUE(at::equal(target.evaluate(z).log_ratio, first.log_ratio)) << c.name;
    for (const NetworkPtr& network : {g, r}) {
      EXPECT_FALSE(network->is_training());
      for (const at::Tensor& p : network->parameters()) EXPECT_FALSE(p.grad().defined()) << c.name;
    }
    // A chain's energy does not depend on its batch-mates' values.
    at::Tensor other = z.clone();
    other.narrow(0, 1, 3) += 1;
    EXPECT_TRUE(at::equal(target.evaluate(other).log_ratio[0], first.log_ratio[0])) << c.name;
  }
}

}  // namespace
}  // namespace ddls
