// Priors, labels, and the rivals that have closed forms.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "ddls/labels.hpp"
#include "ddls/methods/dgflow.hpp"
#include "ddls/methods/dot.hpp"
#include "ddls/methods/mala.hpp"
#include "ddls/methods/pixel_langevin.hpp"
#include "ddls/methods/truncation.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::prior_test {
namespace {

double truncated_cdf(double x, double c) {
  if (x <= -c) return 0;
  if (x >= c) return 1;
  return (normal_cdf(x) - normal_cdf(-c)) / (normal_cdf(c) - normal_cdf(-c));
}

TEST(Prior, LatentsHaveTheirLaw) {
  const at::Tensor w = tensor::Noise{51}.normal({0, 5000}, 4, 0, Stream::prior, test::device());
  EXPECT_TRUE(latent_of(Prior::normal, w).is_same(w));
  expect_law(latent_of(Prior::uniform, w), [](double x) { return (x + 1) / 2; });
  const at::Tensor cut = latent_of(Prior::truncated_normal, w);
  expect_law(cut, [](double x) { return truncated_cdf(x, truncation_bound); });
  EXPECT_LT(cut.abs().max().item<double>(), truncation_bound);
}

TEST(Prior, FarChainsStayInTheSupportWithFiniteGradients) {
  for (const Prior prior : {Prior::uniform, Prior::truncated_normal}) {
    const Target target =
        make_target([](const at::Tensor& z, const at::Tensor&) { return z; },
                    [](const at::Tensor& x, const at::Tensor&) { return 3 * x.sum(1); }, 1, test::device(), prior);
    const Evaluation e = target.evaluate(at::tensor({-40.0F, -6.0F, 0.0F, 6.0F, 40.0F}, test::there()).unsqueeze(1));
    EXPECT_TRUE(at::isfinite(e.log_ratio).all().item<bool>());
    EXPECT_TRUE(at::isfinite(e.grad_log_ratio).all().item<bool>());
    EXPECT_LE(e.log_ratio.abs().max().item<double>(), prior == Prior::uniform ? 3.0 : 6.001);
  }
}

TEST(Prior, GradientGoesThroughTheMap) {
  for (const Prior prior : {Prior::normal, Prior::uniform, Prior::truncated_normal}) {
    const Target target = make_target([](const at::Tensor& z, const at::Tensor&) { return z.sin(); },
                                      [](const at::Tensor& x, const at::Tensor&) { return (x * x).sum(1) + x.sum(1); },
                                      3, test::device(), prior);
    const at::Tensor w = tensor::Noise{52}.normal({0, 20}, 3, 0, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor d = tensor::Noise{53}.normal({0, 20}, 3, 0, Stream::prior, test::device()).to(at::kDouble);
    const double h = 1e-6;
    const at::Tensor numeric = (energy(target.evaluate(w + h * d)) - energy(target.evaluate(w - h * d))) / (2 * h);
    EXPECT_TRUE(at::allclose((energy_gradient(w, target.evaluate(w)) * d).sum(1), numeric, 1e-6, 1e-8));
  }
}

// U[-1, 1] tilted by e^{a z}: density a e^{a z} / (2 sinh a).
TEST(Prior, MalaSamplesATiltedUniform) {
  const double a = 2;
  const Target target = make_target([](const at::Tensor& z, const at::Tensor&) { return z; },
                                    [a](const at::Tensor& x, const at::Tensor&) { return a * x.sum(1); }, 1,
                                    test::device(), Prior::uniform);
  const Method method = mala({.steps = 150, .step_sizes = {1.0}, .adapt = false}, target, tensor::Noise{54});
  const Chains chains = run_chains(method, target, tensor::Noise{54}, 10'000);
  expect_law(latent_of(target.prior, chains.z),
             [a](double z) { return (std::exp(a * z) - std::exp(-a)) / (2 * std::sinh(a)); });
}

TEST(Labels, FollowTheirRule) {
  const tensor::Noise noise{55};
  EXPECT_TRUE(at::equal(label_rule("cycle", 4, noise)({6, 11}), at::tensor({2, 3, 0, 1, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(label_rule("3", 4, noise)({6, 9}), at::tensor({3, 3, 3}, at::kLong)));
  const at::Tensor drawn = label_rule("uniform", 4, noise)({0, 8000});
  EXPECT_TRUE(at::equal(drawn.narrow(0, 100, 50), label_rule("uniform", 4, noise)({100, 150})));
  // Chi-squared with 3 degrees of freedom: above 30.7 with probability 1e-6.
  const at::Tensor seen = at::bincount(drawn, {}, 4).to(at::kDouble);
  EXPECT_LT(((seen - 2000).square() / 2000).sum().item<double>(), 30.7);
  for (const char* wrong : {"4", "-1", "cat", "1x"}) EXPECT_THROW(label_rule(wrong, 4, noise), Error) << wrong;
  // A class without samples is never drawn, and the others as if they were all.
  const DrawnClasses some(6, {1, 2, 4, 5});
  const auto lifted = [](const at::Tensor& places) {
    return at::tensor({1, 2, 4, 5}, at::kLong).index_select(0, places);
  };
  for (const char* rule : {"cycle", "uniform"})
    EXPECT_TRUE(at::equal(label_rule(rule, some, noise)({0, 900}), lifted(label_rule(rule, 4, noise)({0, 900}))))
        << rule;
  EXPECT_THROW(label_rule("3", some, noise), Error);
  EXPECT_TRUE(at::equal(label_rule("4", some, noise)({6, 8}), at::tensor({4, 4}, at::kLong)));
  EXPECT_EQ(some.left_out(), (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(DrawnClasses(3, {0, 1, 2}).all());
}

// Each class has a mean of its own: every chain finds that of its label, and no other chain's.
TEST(Labels, ReachGeneratorScoreAndChains) {
  Target target = make_target(
      [](const at::Tensor& z, const at::Tensor& labels) { return z + labels.unsqueeze(1); },
      [](const at::Tensor& x, const at::Tensor& labels) { return -2 * (x - 2 * labels.unsqueeze(1)).square().sum(1); },
      1, test::device());
  target.labels_of = label_rule("cycle", 3, tensor::Noise{56});
  // E = z^2/2 + 2 (z - y)^2: mean 4 y / 5, variance 1/5.
  for (const char* name : {"mala", "hmc", "ex2mcmc", "tempering", "pcn", "elliptical_slice"}) {
    const config::SampleConfig c = test::sample_config(
        {"mala.steps=100", "mala.step_sizes=[0.3]", "mala.adapt=false", "hmc.steps=40", "hmc.leapfrog_steps=3",
         "hmc.step_size=0.3", "hmc.adapt=false", "ex2mcmc.steps=40", "ex2mcmc.step_size=0.3", "ex2mcmc.adapt=false",
         "tempering.steps=60", "tempering.levels=3", "tempering.step_size=0.3", "tempering.adapt=false",
         "pcn.steps=200", "pcn.step_size=0.7", "pcn.adapt=false", "elliptical_slice.steps=40"});
    const Chains chains = run_chains(make_method(name, c, target, tensor::Noise{57}), target, tensor::Noise{57}, 9000);
    for (int64_t y = 0; y < 3; ++y) {
      SCOPED_TRACE(name);
      expect_variance(
          chains.z.index_select(0, (chains.labels == y).nonzero().squeeze(1)) - 0.8 * static_cast<double>(y), 0.2);
    }
  }
}

TEST(Truncation, HasTheTruncatedLaw) {
  const Target target = gaussian_target(std::vector<double>{1.0, 1.0});
  const Method method = truncation({.bound = 0.7}, target);
  const Chains chains = run_chains(method, target, tensor::Noise{58}, 10'000);
  expect_law(chains.z, [](double x) { return truncated_cdf(x, 0.7); });
}

// E = 0 for the prior alone: grad r = -(lambda - 1) z, so KL flow without noise contracts by 1 - eta (lambda - 1) per
// step.
TEST(Dgflow, FollowsItsFlow) {
  const Target target = gaussian_target(std::vector<double>{3.0});
  const auto one_step = [&](const char* divergence, double r_factor) {
    const Method method =
        dgflow({.steps = 1, .step_size = 0.1, .gamma = 0, .divergence = divergence}, target, tensor::Noise{59});
    const Chains from = start(method, {0, 100}, target, tensor::Noise{59});
    Chains to = from;
    method.advance(to, 0);
    const at::Tensor v = (to.z - from.z) / 0.1 / (-2 * from.z);
    const at::Tensor r = from.now.log_ratio.unsqueeze(1);
    const at::Tensor expected = r_factor == 0   ? at::ones_like(r)
                                : r_factor == 2 ? 2 * (-r.clamp(-10, 10)).exp()
                                                : (r * r_factor).sigmoid();
    EXPECT_TRUE(at::allclose(v, expected, 1e-3, 1e-4)) << divergence;
  };
  one_step("kl", 0);
  one_step("js", 1);
  one_step("log_d", -1);
  one_step("chi2", 2);
}

// The first step from y = z: the distance term is (0.001, ...) / |(0.001, ...)|, so what remains of the displacement is
// grad r / k_eff, with one k_eff for all chains.
TEST(Dot, FirstStepIsTheGradientOfItsObjective) {
  const Target target = gaussian_target(std::vector<double>{2.0, 4.0, 3.0, 2.0});
  const Method method = dot({.steps = 1, .lr = 0.1, .projection = "none"}, target, tensor::Noise{60});
  const Chains from = start(method, {0, 200}, target, tensor::Noise{60});
  Chains to = from;
  method.advance(to, 0);
  const at::Tensor rest = (to.z - from.z) / 0.1 + 0.5;
  const double k_eff = (from.now.grad_log_ratio.norm() / rest.norm()).item<double>();
  EXPECT_GT(k_eff, 0.1);
  EXPECT_TRUE(at::allclose(rest * k_eff, from.now.grad_log_ratio, 1e-3, 1e-3));
}

TEST(Dot, ExactProjectionStaysOnTheSphere) {
  const Target target = gaussian_target(std::vector<double>{1.0, 4.0, 2.0, 1.0});
  const Method method = dot({.steps = 30, .lr = 0.01, .projection = "exact"}, target, tensor::Noise{60});
  const Chains from = start(method, {0, 200}, target, tensor::Noise{60});
  const Chains to = run_chains(method, target, tensor::Noise{60}, 200);
  EXPECT_TRUE(at::allclose(to.z.norm(2, 1), from.z.norm(2, 1), 2e-2, 1e-2));
}

TEST(PixelLangevin, MovesSamplesNotLatents) {
  const Target target =
      make_target([](const at::Tensor& z, const at::Tensor&) { return 2 * z; },
                  [](const at::Tensor& x, const at::Tensor&) { return -0.5 * x.square().sum(1); }, 2, test::device());
  const double eps = 0.2, a = eps / 2;
  const Method method = pixel_langevin({.steps = 200, .step_size = eps}, target, tensor::Noise{61});
  const Chains chains = run_chains(method, target, tensor::Noise{61}, 5000);
  EXPECT_TRUE(at::equal(chains.z, start_chains({0, 5000}, target, tensor::Noise{61}).z));
  expect_variance(samples_of(method, chains, target), eps / (a * (2 - a)));
}

}  // namespace
}  // namespace ddls::sampling::prior_test
