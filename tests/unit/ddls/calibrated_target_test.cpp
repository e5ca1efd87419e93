// A calibrated score in the place of the discriminator's: energies, gradients, and a head as a network.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "ddls/calibration/head.hpp"
#include "ddls/calibration/isotonic.hpp"
#include "ddls/calibration/platt.hpp"
#include "ddls/calibration/reliability.hpp"
#include "ddls/registry.hpp"
#include "ddls/worth.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::sampling::calibrated_target_test {
namespace {

at::Tensor normal(int64_t rows, int64_t columns, uint64_t seed) {
  return tensor::Noise{seed}.normal({0, rows}, columns, 0, Stream::prior, test::device()).to(at::kDouble);
}

config::ModelConfig small_mlp() {
  config::ModelConfig mlp;
  mlp.generator_widths = mlp.ratio_widths = {32, 32};
  return mlp;
}

Target raw_target() {
  const models::NetworkPtr g = test::make_network(small_mlp(), models::Role::generator, {2}, 2),
                           r = test::make_network(small_mlp(), models::Role::ratio, {2}, 2);
  g->to(at::kDouble);
  r->to(at::kDouble);
  return make_target(g, r, 2, test::device());
}

// Over the scores that the target gives to prior draws.
ScoreMap isotonic_over(const Target& target) {
  const at::Tensor scores = target.log_ratio(normal(400, 2, 9));
  const at::Tensor sorted = std::get<0>(scores.sort());
  return cubic_map(fit_isotonic(sorted.narrow(0, 150, 250).contiguous(), sorted.narrow(0, 0, 250).contiguous()),
                   test::device());
}

TEST(CalibratedTarget, GradientAgreesWithFiniteDifferences) {
  const Target raw = raw_target();
  for (const ScoreMap& map : {affine_map(2.5, -0.3), isotonic_over(raw)}) {
    const Target target = calibrated(raw, map);
    const at::Tensor z = normal(9, 2, 4), direction = normal(9, 2, 5);
    const double h = 1e-6;
    const at::Tensor numeric =
        (energy(target.evaluate(z + h * direction)) - energy(target.evaluate(z - h * direction))) / (2 * h);
    const at::Tensor analytic = (energy_gradient(z, target.evaluate(z)) * direction).sum(1);
    EXPECT_TRUE(at::allclose(analytic, numeric, 1e-5, 1e-6)) << (analytic - numeric);
  }
}

TEST(CalibratedTarget, EveryWayGivesTheMappedScore) {
  const Target raw = raw_target();
  const ScoreMap map = isotonic_over(raw);
  const Target target = calibrated(raw, map);
  const at::Tensor z = normal(50, 2, 6), expected = map(raw.log_ratio(z)).log_ratio;
  EXPECT_TRUE(at::equal(target.evaluate(z).log_ratio, expected));
  EXPECT_TRUE(at::equal(target.log_ratio(z), expected));
  EXPECT_TRUE(at::equal(target.evaluate(z).log_prior, raw.evaluate(z).log_prior));
  // Of samples: the value, and the gradient by finite differences.
  const at::Tensor x = target.decode(z).detach().requires_grad_(true), r = target.score_by(x, {});
  EXPECT_TRUE(at::allclose(r, expected, 1e-9, 1e-9));
  const at::Tensor gradient = torch::autograd::grad({r.sum()}, {x}).front(), direction = normal(50, 2, 7);
  const auto at = [&](double h) { return map(raw.score_by(x.detach() + h * direction, {}).detach()).log_ratio; };
  EXPECT_TRUE(at::allclose((gradient * direction).sum(1), (at(1e-6) - at(-1e-6)) / 2e-6, 1e-5, 1e-6));
}

TEST(CalibratedTarget, MethodsThatNeedNoGradient) {
  const config::SampleConfig config = test::sample_config();
  for (const char* name : {"generator", "truncation", "drs", "mh_gan", "pcn", "elliptical_slice", "smc"})
    EXPECT_FALSE(needs_gradient(name, config)) << name;
  for (const char* name : {"ddls", "mala", "ex2mcmc", "dot", "pixel_langevin"})
    EXPECT_TRUE(needs_gradient(name, config)) << name;
  EXPECT_FALSE(needs_gradient("ex2mcmc", test::sample_config({"ex2mcmc.mala_steps=0"})));
}

// Fakes N(0, I), reals N(m, I) in 12 dimensions: r = m.h - |m|^2 / 2. The score sees one coordinate; the features hold
// all.
struct Features {
  explicit Features(int64_t n, uint64_t seed) : mean(at::linspace(-0.5, 0.6, 12, test::there(at::kDouble))) {
    const auto scored = [](const at::Tensor& h) { return ScoredFeatures{h.select(1, 11) * 4 - 1, h}; };
    real = scored(normal(n, 12, seed) + mean);
    fake = scored(normal(n, 12, seed + 1));
  }
  at::Tensor mean;
  ScoredFeatures real, fake;
};

TEST(Head, FindsTheLogRatioInTheFeatures) {
  const Features s(20'000, 3), fresh(20'000, 5);
  const HeadFit fit = fit_head(s.real, s.fake);
  const auto loss = [&](auto log_ratio) {
    return reliability_of(log_ratio(fresh.real), log_ratio(fresh.fake)).cross_entropy;
  };
  const double best = loss(
      [&](const ScoredFeatures& f) { return at::mv(f.features, s.mean) - 0.5 * s.mean.square().sum().item<double>(); });
  const double head =
      loss([&](const ScoredFeatures& f) { return f.scores * fit.alpha + at::mv(f.features, fit.weight) + fit.offset; });
  const Platt platt = fit_platt(s.real.scores, s.fake.scores);
  const double scalar = loss([&](const ScoredFeatures& f) { return f.scores * platt.alpha + platt.beta; });
  EXPECT_NEAR(head, best, 2e-3);
  EXPECT_GT(scalar, best + 0.05);
}

// A feature that tells reals from fakes, but for a few fakes far out on the reals' side: cross-entropy pays for
// them, the law p0 e^r would be made of them.
TEST(Head, StopsBeforeAFewFakesCarryTheLaw) {
  const int64_t n = 20'000;
  const auto scored = [&](double shift, uint64_t seed) {
    ScoredFeatures f{normal(n, 1, seed).squeeze(1) + shift / 2, normal(n, 1, seed + 10) + shift};
    if (shift == 0) f.features.slice(0, 0, n, 400).fill_(15);
    return f;
  };
  const ScoredFeatures real = scored(1, 1), fake = scored(0, 2), fresh_real = scored(1, 3), fresh_fake = scored(0, 4);
  const auto gained = [&](auto r) { return nats({r(fresh_real)}, {r(fresh_fake)}); };
  const HeadFit fit = fit_head(real, fake);
  const double head = gained(
      [&](const ScoredFeatures& f) { return f.scores * fit.alpha + at::mv(f.features, fit.weight) + fit.offset; });
  const Platt platt = fit_platt(real.scores, fake.scores);
  EXPECT_GT(head, gained([&](const ScoredFeatures& f) { return f.scores * platt.alpha + platt.beta; }) - 0.01);
}

// As many features as samples, and nothing in them: it stops early, near Platt's fit.
TEST(Head, StopsWhereFeaturesHoldNothing) {
  const int64_t n = 200;
  const auto scored = [&](double shift, uint64_t seed) {
    return ScoredFeatures{normal(n, 1, seed).squeeze(1) + shift, normal(n, n, seed + 10)};
  };
  const ScoredFeatures real = scored(1, 1), fake = scored(0, 2), fresh_real = scored(1, 3), fresh_fake = scored(0, 4);
  const HeadFit fit = fit_head(real, fake);
  const auto r = [&](const ScoredFeatures& f) {
    return f.scores * fit.alpha + at::mv(f.features, fit.weight) + fit.offset;
  };
  const auto truth = [](const ScoredFeatures& f) { return f.scores - 0.5; };
  EXPECT_LT(reliability_of(r(fresh_real), r(fresh_fake)).cross_entropy,
            reliability_of(truth(fresh_real), truth(fresh_fake)).cross_entropy + 0.03);
}

}  // namespace
}  // namespace ddls::sampling::calibrated_target_test
