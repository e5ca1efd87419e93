// HMC and underdamped Langevin against closed forms (statistics.hpp states the failure probabilities).
#include <gtest/gtest.h>

#include <cmath>

#include "ddls/leapfrog.hpp"
#include "ddls/methods/hmc.hpp"
#include "ddls/methods/underdamped.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::momentum_test {
namespace {

constexpr int64_t many = 20'000;

Particles particles(const Target& target, int64_t n) {
  const at::Tensor z =
      tensor::Noise{1}.normal({0, n}, target.latent_dim, 0, Stream::prior, test::device()).to(at::kDouble);
  const at::Tensor p =
      tensor::Noise{1}.normal({0, n}, target.latent_dim, 0, Stream::momentum, test::device()).to(at::kDouble);
  return {z, p, target.evaluate(z)};
}

TEST(Leapfrog, IsReversible) {
  const Target target = mixture_target(1.0, 0.5);
  const Particles from = particles(target, 50);
  Particles to = leapfrog(from, 0.1, 20, 1, target, {});
  EXPECT_GT((to.z - from.z).abs().min().item<double>(), 1e-4);
  to.p = -to.p;
  const Particles back = leapfrog(to, 0.1, 20, 1, target, {});
  EXPECT_TRUE(at::allclose(back.z, from.z, 0, 1e-11));
  EXPECT_TRUE(at::allclose(-back.p, from.p, 0, 1e-11));
}

// The law of HMC needs volume preservation as well: the Jacobian of one trajectory, by finite differences.
TEST(Leapfrog, PreservesVolume) {
  const Target target = mixture_target(1.0, 0.5);
  const auto flow = [&](const at::Tensor& state) {
    const at::Tensor z = state.narrow(1, 0, 2).contiguous(), p = state.narrow(1, 2, 2).contiguous();
    const Particles to = leapfrog({z, p, target.evaluate(z)}, 0.2, 7, 1, target, {});
    return at::cat({to.z, to.p}, 1);
  };
  const Particles from = particles(target, 1);
  const at::Tensor state = at::cat({from.z, from.p}, 1);
  const double d = 1e-6;
  std::vector<at::Tensor> columns;
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor e = at::zeros_like(state).index_fill_(1, at::tensor({i}, test::there(at::kLong)), d);
    columns.push_back(((flow(state + e) - flow(state - e)) / (2 * d)).squeeze(0));
  }
  EXPECT_NEAR(at::linalg_det(at::stack(columns, 1)).item<double>(), 1, 1e-7);
}

TEST(Leapfrog, EnergyErrorIsOfSecondOrder) {
  const Target target = mixture_target(1.0, 0.5);
  const Particles from = particles(target, 200);
  const auto error = [&](double h) {
    const Particles to = leapfrog(from, h, static_cast<int64_t>(std::lround(1 / h)), 1, target, {});
    return (hamiltonian(to, 1) - hamiltonian(from, 1)).abs().mean().item<double>();
  };
  EXPECT_NEAR(error(0.02) / error(0.01), 4, 0.1);
  EXPECT_NEAR(error(0.01) / error(0.005), 4, 0.05);
}

// The law of plain (unadjusted) trajectories would show its step size here: <z^2> off by a factor 1 / (1 - h^2 lambda /
// 4).
TEST(Hmc, IsExactOnGaussians) {
  const Target target = gaussian_target(std::vector<double>{1.0, 9.0});
  const Method method = hmc({.steps = 40, .leapfrog_steps = 3, .step_size = 0.45, .jitter = 0.3, .adapt = false},
                            target, tensor::Noise{21});
  const Chains chains = run_chains(method, target, tensor::Noise{21}, many);
  expect_variance(chains.z.select(1, 0), 1);
  expect_variance(chains.z.select(1, 1), 1.0 / 9);
  expect_law(chains.z.select(1, 1), [](double x) { return normal_cdf(x, 1.0 / 3); });
  EXPECT_LT(chains.rates.at("acceptance").mean().item<double>(), 0.97);
}

TEST(Hmc, TemperatureScalesTheLaw) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const Method method = hmc({.steps = 30, .leapfrog_steps = 4, .step_size = 0.3, .temperature = 0.5, .adapt = false},
                            target, tensor::Noise{22});
  EXPECT_DOUBLE_EQ(method.temperature, 0.5);
  expect_variance(run_chains(method, target, tensor::Noise{22}, many).z, 0.25);
}

// One step's acceptance, recomputed in float64 from the Hamiltonian at both ends.
TEST(Hmc, AcceptanceIsThatOfTheHamiltonian) {
  const Target target = gaussian_target(std::vector<double>{6.0});
  const tensor::Noise noise{23};
  const Method method =
      hmc({.steps = 1, .leapfrog_steps = 2, .step_size = 0.5, .jitter = 0, .adapt = false}, target, noise);
  Chains chains = start(method, {0, 1000}, target, noise);
  const at::Tensor z = chains.z.to(at::kDouble);
  const at::Tensor p = noise.normal({0, 1000}, 1, 0, Stream::momentum, test::device()).to(at::kDouble);
  at::Tensor q = z, v = p;
  for (int i = 0; i < 2; ++i) {
    v = v - 0.25 * 6 * q;
    q = q + 0.5 * v;
    v = v - 0.25 * 6 * q;
  }
  const auto h = [](const at::Tensor& x, const at::Tensor& y) { return 3 * x.square() + 0.5 * y.square(); };
  const at::Tensor expected = (h(z, p) - h(q, v)).clamp_max(0).exp().squeeze(1);
  method.advance(chains, 0);
  EXPECT_TRUE(at::allclose(chains.rates.at("acceptance").to(at::kDouble), expected, 1e-4, 1e-5));
  const at::Tensor moved = chains.z.squeeze(1) != z.squeeze(1).to(at::kFloat);
  const at::Tensor u = noise.uniform({0, 1000}, 1, 0, Stream::accept, test::device()).squeeze(1);
  EXPECT_TRUE(at::equal(moved, u < chains.rates.at("acceptance")));
}

TEST(Hmc, CountsDivergences) {
  const Target target = gaussian_target(std::vector<double>{1e4});
  const Method method =
      hmc({.steps = 1, .leapfrog_steps = 10, .step_size = 1, .adapt = false}, target, tensor::Noise{24});
  Chains chains = start(method, {0, 100}, target, tensor::Noise{24});
  const at::Tensor before = chains.z;
  method.advance(chains, 0);
  EXPECT_TRUE(chains.rates.at("divergent").all().item<bool>());
  EXPECT_TRUE(at::equal(chains.z, before));
}

TEST(Hmc, AdaptationReachesItsTarget) {
  const Target target = gaussian_target(std::vector<double>(20, 2.0));
  const tensor::Noise noise{25};
  const Method method = hmc({.steps = 20, .leapfrog_steps = 5, .step_size = 0.01, .warmup = 150}, target, noise);
  Chains chains = start(method, {0, 2000}, target, noise);
  double acceptance = 0;
  for (int64_t step = 0; step < 20; ++step) {
    method.advance(chains, step);
    acceptance += chains.rates.at("acceptance").mean().item<double>() / 20;
  }
  EXPECT_NEAR(acceptance, 0.651, 0.05);
}

// Closed forms of methods/underdamped.cpp, w^2 = 4, h = 0.5: <z^2> = 1 / (4 * 0.75) for obabo, 1/4 for baoab;
// <p^2> = 1 and 0.75.
TEST(Underdamped, SplittingsHaveTheirStationaryMoments) {
  const Target target = gaussian_target(std::vector<double>{4.0});
  for (const bool baoab : {false, true}) {
    const Method method =
        underdamped({.steps = 80, .step_size = 0.5, .friction = 1, .splitting = baoab ? "baoab" : "obabo"}, target,
                    tensor::Noise{26});
    const Chains chains = run_chains(method, target, tensor::Noise{26}, many);
    expect_variance(chains.z, baoab ? 0.25 : 1 / (4 * 0.75));
    expect_variance(chains.extra.at("momentum"), baoab ? 0.75 : 1);
  }
}

TEST(Underdamped, AdjustedIsExact) {
  const Target target = gaussian_target(std::vector<double>{4.0});
  const Method method =
      underdamped({.steps = 120, .step_size = 0.7, .friction = 1, .adjust = true}, target, tensor::Noise{27});
  const Chains chains = run_chains(method, target, tensor::Noise{27}, many);
  expect_variance(chains.z, 0.25);
  expect_variance(chains.extra.at("momentum"), 1);
  EXPECT_LT(chains.rates.at("acceptance").mean().item<double>(), 0.98);
}

TEST(Underdamped, TemperatureScalesTheLaw) {
  const Target target = gaussian_target(std::vector<double>{1.0});
  const Method method =
      underdamped({.steps = 80, .step_size = 0.1, .friction = 2, .temperature = 0.5, .splitting = "baoab"}, target,
                  tensor::Noise{28});
  expect_variance(run_chains(method, target, tensor::Noise{28}, many).z, 0.5);
}

}  // namespace
}  // namespace ddls::sampling::momentum_test
