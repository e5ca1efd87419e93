// ULA and MALA against closed forms (statistics.hpp states the failure probabilities).
#include <gtest/gtest.h>

#include <cmath>

#include "ddls/dual_averaging.hpp"
#include "ddls/methods/mala.hpp"
#include "ddls/methods/ula.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::kernels_test {
namespace {

constexpr int64_t chains_count = 20'000;

Chains run(const Method& method, const Target& target, const tensor::Noise& noise, int64_t steps) {
  Chains chains = start_chains({0, chains_count}, target, noise);
  for (int64_t step = 0; step < steps; ++step) method.advance(chains, step);
  return chains;
}

TEST(Ula, StationaryVarianceHasItsExactBias) {
  // z <- (1 - a lambda) z + s n  has stationary variance s^2 / (a lambda (2 - a lambda)).
  const Target target = gaussian_target(std::vector<double>{1.0, 4.0});
  const double eps = 0.3, a = eps / 2;
  const Method method = ula({.steps = 400, .step_size = eps}, target, tensor::Noise{1});
  const Chains chains = run(method, target, tensor::Noise{1}, 400);
  for (const double lambda : {1.0, 4.0})
    expect_variance(chains.z.select(1, lambda == 1.0 ? 0 : 1), eps / (a * lambda * (2 - a * lambda)));
}

TEST(Ula, MovesWithoutTheLastEvaluationAreTheSame) {
  Target target = gaussian_target(std::vector<double>{1.0, 4.0});
  int64_t evaluations = 0;
  target.evaluate_by = [&, evaluate = target.evaluate_by](const at::Tensor& z, const at::Tensor& labels) {
    ++evaluations;
    return evaluate(z, labels);
  };
  const UlaOptions options{.steps = 5, .step_size = 0.3, .noise_std = 0.7};
  const tensor::Noise noise{4};
  const Method method = ula(options, target, noise);
  Chains chains = start_chains({7, 19}, target, noise);
  const at::Tensor start = chains.z;
  for (int64_t step = 10; step < 15; ++step) method.advance(chains, step);
  evaluations = 0;
  EXPECT_TRUE(moved_by_ula(options, target, noise, {7, 19}, start, {}, 10).equal(chains.z));
  EXPECT_EQ(evaluations, 5);
}

TEST(Ula, NoiseStdSetsTheTemperature) {
  const Target target = gaussian_target(std::vector<double>{1.0});
  const double eps = 0.1, a = eps / 2, s = 0.5 * std::sqrt(eps);
  const Method method = ula({.steps = 400, .step_size = eps, .noise_std = 0.5}, target, tensor::Noise{2});
  EXPECT_DOUBLE_EQ(method.temperature, 0.25);
  expect_variance(run(method, target, tensor::Noise{2}, 400).z, s * s / (a * (2 - a)));
}

TEST(Ula, DecayScalesDriftAndNoiseTogether) {
  const Target target = gaussian_target(std::vector<double>{1.0});
  const Method method = ula({.steps = 101, .step_size = 0.1, .step_size_end = 0.001}, target, tensor::Noise{3});
  EXPECT_DOUBLE_EQ(method.step_size(0), 0.1);
  EXPECT_NEAR(method.step_size(50), 0.01, 1e-12);
  EXPECT_NEAR(method.step_size(100), 0.001, 1e-12);
  // One step from a fixed place: the displacement has mean -eps/2 grad E and standard deviation sqrt(eps), at every
  // stage.
  for (const int64_t step : {0, 50, 100}) {
    Chains chains = start_chains({0, chains_count}, target, tensor::Noise{3});
    chains.z = at::full_like(chains.z, 2.0);
    chains.now = target.evaluate(chains.z);
    method.advance(chains, step);
    const double eps = method.step_size(step);
    const at::Tensor moved = (chains.z - 2.0).to(at::kDouble);
    EXPECT_NEAR(moved.mean().item<double>(), -eps, 5 * std::sqrt(eps / chains_count));
    EXPECT_NEAR(moved.var().item<double>(), eps, 5 * eps * std::sqrt(2.0 / chains_count));
  }
}

TEST(Mala, IsExactAtAnyStepSize) {
  const Target target = gaussian_target(std::vector<double>{1.0, 4.0});
  const Method method = mala({.steps = 300, .step_sizes = {0.5}, .adapt = false}, target, tensor::Noise{4});
  const Chains chains = run(method, target, tensor::Noise{4}, 300);
  expect_variance(chains.z.select(1, 0), 1.0);
  expect_variance(chains.z.select(1, 1), 0.25);
  // The correction does something here: ULA at this step has variance 1/3.5 in the second coordinate.
  EXPECT_LT(chains.rates.at("acceptance").mean().item<double>(), 0.98);
}

TEST(Mala, AcceptanceSatisfiesDetailedBalance) {
  // A(z -> z') pi(z) q(z'|z) = A(z' -> z) pi(z') q(z|z') for the pairs a step proposes. The step's own acceptance is
  // compared with min(1, ratio) computed from the densities in float64.
  const Target target = gaussian_target(std::vector<double>{3.0});
  const double eps = 0.7;
  const tensor::Noise noise{5};
  Chains chains = start_chains({0, 1000}, target, noise);
  const at::Tensor z = chains.z.to(at::kDouble);
  const at::Tensor n = noise.normal({0, 1000}, 1, 0, Stream::langevin, test::device()).to(at::kDouble);
  const auto drift = [&](const at::Tensor& x) { return x - 3 * x * (eps / 2); };
  const at::Tensor proposal = drift(z) + n * std::sqrt(eps);
  const auto log_q = [&](const at::Tensor& to, const at::Tensor& from) {
    return -(to - drift(from)).square() / (2 * eps);
  };
  const auto log_pi = [&](const at::Tensor& x) { return -1.5 * x.square(); };
  const at::Tensor expected =
      (log_pi(proposal) + log_q(z, proposal) - log_pi(z) - log_q(proposal, z)).clamp_max(0).exp().squeeze(1);
  const Method method = mala({.steps = 1, .step_sizes = {eps}, .adapt = false}, target, noise);
  method.advance(chains, 0);
  EXPECT_TRUE(at::allclose(chains.rates.at("acceptance").to(at::kDouble), expected, 1e-4, 1e-5));
}

TEST(Mala, RejectedChainsStayAndKeepTheirEvaluation) {
  const Target target = gaussian_target(std::vector<double>{100.0});
  const tensor::Noise noise{6};
  const Method method = mala({.steps = 5, .step_sizes = {0.2}, .adapt = false}, target, noise);
  Chains chains = start_chains({0, 2000}, target, noise);
  bool rejected_some = false;
  for (int64_t step = 0; step < 5; ++step) {
    const at::Tensor before = chains.z.clone();
    method.advance(chains, step);
    rejected_some |= (chains.z == before).any().item<bool>();
    const Evaluation again = target.evaluate(chains.z);  // the cached one is never stale
    EXPECT_TRUE(at::equal(chains.now.log_ratio, again.log_ratio));
    EXPECT_TRUE(at::equal(chains.now.grad_log_ratio, again.grad_log_ratio));
  }
  EXPECT_TRUE(rejected_some);
}

TEST(Mala, NonFiniteProposalsAreRejected) {
  Target target = gaussian_target(std::vector<double>{1.0});
  const auto plain = target.evaluate_by;
  target.evaluate_by = [plain](const at::Tensor& z,
                               const at::Tensor& labels) {  // a cliff: nothing is finite beyond |z| = 1
    Evaluation e = plain(z, labels);
    const at::Tensor beyond = z.abs() > 1;
    e.log_ratio.masked_fill_(beyond.squeeze(1), NAN);
    e.grad_log_ratio = e.grad_log_ratio.masked_fill(beyond, NAN);
    return e;
  };
  const tensor::Noise noise{7};
  const Method method = mala({.steps = 50, .step_sizes = {0.5}, .adapt = false}, target, noise);
  Chains chains = start_chains({0, 1000}, target, noise);
  chains.z = chains.z.clamp(-0.9, 0.9);
  chains.now = target.evaluate(chains.z);
  for (int64_t step = 0; step < 50; ++step) method.advance(chains, step);
  EXPECT_LE(chains.z.abs().max().item<float>(), 1);
  EXPECT_TRUE(at::isfinite(chains.now.log_ratio).all().item<bool>());
}

TEST(Mala, AdaptationReachesItsTargetAndIsThenFrozen) {
  const Target target = gaussian_target(std::vector<double>(20, 2.0));
  const tensor::Noise noise{8};
  const Method method = mala({.steps = 50, .step_sizes = {0.001}, .adapt = true, .warmup = 300}, target, noise);
  EXPECT_EQ(method.step_size(0), method.step_size(49));
  Chains chains = start_chains({0, 4000}, target, noise);
  double acceptance = 0;
  for (int64_t step = 0; step < 50; ++step) {
    method.advance(chains, step);
    if (step >= 25) acceptance += chains.rates.at("acceptance").mean().item<double>() / 25;
  }
  EXPECT_NEAR(acceptance, 0.574, 0.05);
}

TEST(Chains, DoNotDependOnTheirBlock) {
  const Target target = gaussian_target(std::vector<double>{1.0, 2.0, 3.0});
  const tensor::Noise noise{9};
  for (const Method& method : {ula({.steps = 20, .step_size = 0.1}, target, noise),
                               mala({.steps = 20, .step_sizes = {0.3}, .adapt = false}, target, noise)}) {
    const auto final_state = [&](IdRange ids) {
      Chains chains = start_chains(ids, target, noise);
      for (int64_t step = 0; step < 20; ++step) method.advance(chains, step);
      return chains.z;
    };
    const at::Tensor whole = final_state({0, 60});
    EXPECT_TRUE(at::equal(whole.narrow(0, 20, 20), final_state({20, 40}))) << method.name;
  }
}

}  // namespace
}  // namespace ddls::sampling::kernels_test
