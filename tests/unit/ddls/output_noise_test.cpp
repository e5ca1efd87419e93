// Corollary 2: chains of (z, z').
#include "ddls/output_noise.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <cmath>

#include "config/config.hpp"
#include "ddls/methods/mala.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/statistics.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::sampling::output_noise_test {
namespace {

TEST(OutputNoise, EnergyAndGradientOfBothParts) {
  config::ModelConfig model;
  model.architecture = "dcgan";
  model.latent_dim = 6;
  model.generator_widths = {8, 8};
  model.ratio_widths = {8, 8};
  const models::SampleShape shape{1, 8, 8};
  const double s = 0.3, h = 1e-6;
  for (const Prior prior : {Prior::normal, Prior::uniform}) {
    const models::NetworkPtr g = test::make_network(model, models::Role::generator, shape, 1),
                             r = test::make_network(model, models::Role::ratio, shape, 1);
    g->to(at::kDouble);
    r->to(at::kDouble);
    const Target target = make_noised_target(g, r, 6, shape, s, test::device(), prior);
    ASSERT_EQ(target.latent_dim, 6 + 64);
    const at::Tensor w = tensor::Noise{4}.normal({0, 5}, 70, 0, Stream::prior, test::device()).to(at::kDouble),
                     direction = tensor::Noise{5}.normal({0, 5}, 70, 0, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor z = latent_of(prior, w.narrow(1, 0, 6)), noise = w.narrow(1, 6, 64);
    const Evaluation e = target.evaluate(w);
    const at::Tensor x = target.decode(w);
    {
      at::NoGradGuard no_grad;
      EXPECT_TRUE(at::allclose(x, g->forward(z) + s * noise.reshape({5, 1, 8, 8}), 1e-12, 1e-12));
      EXPECT_TRUE(at::allclose(energy(e), 0.5 * w.square().sum(1) - r->forward(x), 1e-12, 1e-12));
    }
    EXPECT_TRUE(at::equal(target.latents(w), at::cat({z, noise}, 1)));
    const at::Tensor numeric =
        (energy(target.evaluate(w + h * direction)) - energy(target.evaluate(w - h * direction))) / (2 * h);
    EXPECT_TRUE(at::allclose((energy_gradient(w, e) * direction).sum(1), numeric, 1e-5, 1e-6));
  }
}

// A generator whose samples lie on a line cannot give a law of the plane; with noise, and the ratio to the noised law,
// chains do: p_g' = N(0, diag(1 + s^2, s^2)), data N(0, diag(0.6, 0.2)).
TEST(OutputNoise, ReachesALawBeyondTheGeneratorsSupport) {
  const double s = 0.7;
  const auto generate = [](const at::Tensor& z, const at::Tensor&) { return at::cat({z, at::zeros_like(z)}, 1); };
  const auto score = [s](const at::Tensor& x, const at::Tensor&) {
    const at::Tensor q = x.square();
    return q.select(1, 0) * (0.5 / (1 + s * s) - 0.5 / 0.6) + q.select(1, 1) * (0.5 / (s * s) - 0.5 / 0.2);
  };
  const Target target = make_noised_target(generate, score, 1, {2}, s, test::device());
  const Method method = mala({.steps = 300, .step_sizes = {0.4}, .adapt = false}, target, tensor::Noise{41});
  const Chains chains = run_chains(method, target, tensor::Noise{41}, 4'000);
  const at::Tensor x = target.decode(chains.z).to(at::kDouble);
  expect_variance(x.select(1, 0), 0.6);
  expect_variance(x.select(1, 1), 0.2);
  expect_law(x.select(1, 1), [](double v) { return normal_cdf(v, std::sqrt(0.2)); });
}

}  // namespace
}  // namespace ddls::sampling::output_noise_test
