// Preconditioned Crank-Nicolson and Langevin against closed forms, and in many dimensions.
#include "ddls/methods/pcn.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "ddls/pcn_move.hpp"
#include "ddls/registry.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/ridge_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::pcn_test {
namespace {

TEST(Pcn, OneParameterForBothForms) {
  for (const double b : {0.01, 0.3, 0.999}) EXPECT_NEAR(pcn_noise(pcn_size(b)), b, 1e-12);
  EXPECT_EQ(pcn_noise(1e300), 1);
  EXPECT_EQ(pcn_noise(1e-300), 0);
}

// The acceptance of a step is min(1, pi(w') q(w'|w) / (pi(w) q(w|w'))) of the densities in float64.
TEST(Pcn, AcceptanceSatisfiesDetailedBalance) {
  const Target target = gaussian_target(std::vector<double>{3.0, 0.5});
  const at::Tensor excess = at::tensor({2.0, -0.5}, test::there(at::kDouble));
  const double b = 0.6, a = std::sqrt(1 - b * b);
  for (const double t : {1.0, 0.4})
    for (const bool langevin : {false, true}) {
      SCOPED_TRACE(t);
      Chains chains = start_chains({0, 1000}, target, tensor::Noise{61});
      const at::Tensor w = chains.z.to(at::kDouble), n = normal_of(chains, tensor::Noise{61}, 0, Stream::langevin);
      const auto centre = [&](const at::Tensor& x) { return langevin ? x * a - x * excess * (t * (1 - a)) : x * a; };
      const at::Tensor to = centre(w) + n.to(at::kDouble) * b;
      const auto log_q = [&](const at::Tensor& y, const at::Tensor& x) {
        return (y - centre(x)).square().sum(1) / (-2 * b * b);
      };
      const auto log_pi = [&](const at::Tensor& x) { return (x.square() * (1 + excess * t)).sum(1) / -2; };
      const at::Tensor expected = (log_pi(to) + log_q(w, to) - log_pi(w) - log_q(to, w)).clamp_max(0).exp();
      const at::Tensor u = uniform_of(chains, tensor::Noise{61}, 0, Stream::accept);
      const at::Tensor got = pcn_move(chains, {pcn_size(b), langevin, t}, n, u, target);
      EXPECT_TRUE(at::allclose(got.to(at::kDouble), expected, 1e-4, 1e-5));
      EXPECT_TRUE(at::allclose(chains.z.to(at::kDouble), at::where((u < got).unsqueeze(1), to, w), 1e-4, 1e-5));
    }
}

TEST(Pcn, BothFormsAreExact) {
  const at::Tensor covariance = at::tensor({0.5, 0.3, 0.3, 0.4}, test::there(at::kDouble)).view({2, 2});
  const Target gaussian = gaussian_target(at::linalg_inv(covariance).to(at::kFloat));
  const Target modes = mixture_target(0.9, 0.5, 0.8);
  constexpr int64_t many = 10'000;
  for (const bool gradient : {false, true}) {
    SCOPED_TRACE(gradient);
    const PcnOptions options{.steps = 200, .step_size = 0.7, .gradient = gradient, .adapt = false};
    const at::Tensor z =
        run_chains(pcn(options, gaussian, tensor::Noise{62}), gaussian, tensor::Noise{62}, many).z.to(at::kDouble);
    expect_variance(z.select(1, 0), 0.5);
    expect_variance(z.select(1, 1), 0.4);
    EXPECT_NEAR((z.select(1, 0) * z.select(1, 1)).mean().item<double>(), 0.3, 5 * std::sqrt((0.5 * 0.4 + 0.09) / many));
    const at::Tensor m = run_chains(pcn(options, modes, tensor::Noise{63}), modes, tensor::Noise{63}, many).z;
    expect_law(m.select(1, 0),
               [](double x) { return 0.8 * normal_cdf(x - 0.9, 0.5) + 0.2 * normal_cdf(x + 0.9, 0.5); });
    expect_law(m.select(1, 1), [](double y) { return normal_cdf(y, 0.5); });
  }
}

TEST(Pcn, AdaptationReachesItsTarget) {
  const Target target = gaussian_target(std::vector<double>(20, 4.0));
  for (const auto& [gradient, aim] : {std::pair(false, 0.3), std::pair(true, 0.574)}) {
    const Method method = pcn({.steps = 40, .gradient = gradient, .warmup = 300}, target, tensor::Noise{64});
    Chains chains = start(method, {0, 2000}, target, tensor::Noise{64});
    double acceptance = 0;
    for (int64_t step = 0; step < 40; ++step) {
      method.advance(chains, step);
      if (step >= 20) acceptance += chains.rates.at("acceptance").mean().item<double>() / 20;
    }
    // Dual averaging gives the mean of the log step sizes, which are still spread after so short a warm-up.
    EXPECT_NEAR(acceptance, aim, 0.1) << gradient;
    EXPECT_LT(method.step_size(0), 1);
  }
}

// r depends on one direction of 12 288: the same step size is accepted as in 16 dimensions, and the law is right.
TEST(Pcn, AcceptanceDoesNotFallWithTheDimension) {
  for (const bool gradient : {false, true}) {
    std::vector<double> accepted;
    for (const int64_t k : {int64_t{16}, int64_t{12'288}}) {
      const Target target = test::ridge_target(k);
      const Method method =
          pcn({.steps = 40, .step_size = 0.6, .gradient = gradient, .adapt = false}, target, tensor::Noise{65});
      Chains chains = test::run_from_half(method, target, tensor::Noise{65}, 60);
      test::expect_ridge_law(chains.z);
      accepted.push_back(chains.rates.at("acceptance").mean().item<double>());
    }
    EXPECT_GT(accepted[1], 0.3) << gradient;
    EXPECT_NEAR(accepted[0], accepted[1], 0.25) << gradient;
  }
}

TEST(Pcn, NeedsTheGradientWhereItUsesIt) {
  EXPECT_FALSE(needs_gradient("pcn", test::sample_config()));
  EXPECT_TRUE(needs_gradient("pcn", test::sample_config({"pcn.gradient=true"})));
}

}  // namespace
}  // namespace ddls::sampling::pcn_test
