// Annealed SMC against closed forms: the law, log Z, and what a population is.
#include "ddls/methods/smc.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "ddls/labels.hpp"
#include "ddls/population.hpp"
#include "ddls/registry.hpp"
#include "ddls/sampler.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"

namespace ddls::sampling::smc_test {
namespace {

double mean_of(const Chains& chains, const char* rate) {
  return chains.rates.at(rate).to(at::kDouble).mean().item<double>();
}

// r = -z'(P - I)z/2: Z = E e^r = det P^{-1/2}. Particles of a population are not independent: bounds are those of a
// population of a tenth.
TEST(Smc, GaussianLawAndLogZ) {
  const std::vector<double> precisions{20.0, 5.0, 2.0};
  const Target target = gaussian_target(precisions);
  const double expected = -0.5 * std::log(20.0 * 5.0 * 2.0);
  constexpr int64_t n = 10'000;
  for (const bool gradient : {false, true})
    for (const bool adaptive : {true, false}) {
      SCOPED_TRACE(gradient);
      SCOPED_TRACE(adaptive);
      const Method method = smc({.steps = 40, .gradient = gradient, .adaptive = adaptive}, target, tensor::Noise{81});
      const Chains chains = run_chains(method, target, tensor::Noise{81}, n);
      EXPECT_NEAR(mean_of(chains, "log_z"), expected, 0.06);
      EXPECT_EQ(mean_of(chains, "inverse_temperature"), 1);
      for (int64_t i = 0; i < 3; ++i) {
        const double variance = 1 / precisions[static_cast<size_t>(i)];
        const at::Tensor z = chains.z.select(1, i).to(at::kDouble);
        EXPECT_NEAR(z.square().mean().item<double>(), variance, 5 * variance * std::sqrt(2.0 / (n / 10.0)));
        EXPECT_NEAR(z.mean().item<double>(), 0, 5 * std::sqrt(variance / (n / 10.0)));
      }
      EXPECT_GT(mean_of(chains, "ancestors"), 0.1);
      EXPECT_NEAR(mean_of(chains, "acceptance"), gradient ? 0.574 : 0.3, 0.15);
    }
}

// Modes that no pCN move leaves: resampling carries their weights. The mixture is normalised up to 2 pi s^2 / (2 pi) =
// s^2.
TEST(Smc, FarModes) {
  const double m = 1.8, s = 0.2, w = 0.8;
  const Target target = mixture_target(m, s, w);
  constexpr int64_t n = 4000;
  const Chains chains = run_chains(smc({.steps = 60}, target, tensor::Noise{82}), target, tensor::Noise{82}, n);
  EXPECT_NEAR((chains.z.select(1, 0) > 0).to(at::kDouble).mean().item<double>(), w,
              5 * std::sqrt(w * (1 - w) / (n / 10.0)));
  EXPECT_NEAR(mean_of(chains, "log_z"), 2 * std::log(s), 0.1);
}

// A label's particles take places among themselves alone, and have a log Z of their own: r = -2 (z - y)^2.
TEST(Smc, LabelsArePopulations) {
  Target target;
  target.latent_dim = 1;
  target.evaluate_by = [](const at::Tensor& z, const at::Tensor& labels) {
    const at::Tensor off = z.select(1, 0) - labels;
    return Evaluation{-0.5 * z.square().sum(1), -2 * off.square(), (-4 * off).unsqueeze(1)};
  };
  target.decode_by = [](const at::Tensor& z, const at::Tensor&) { return z; };
  target.labels_of = label_rule("cycle", 3, tensor::Noise{83});
  const Chains chains = run_chains(smc({.steps = 20}, target, tensor::Noise{83}), target, tensor::Noise{83}, 9000);
  for (int64_t y = 0; y < 3; ++y) {
    const at::Tensor rows = (chains.labels == y).nonzero().squeeze(1);
    const at::Tensor z = chains.z.index_select(0, rows).to(at::kDouble);
    const auto label = static_cast<double>(y);
    EXPECT_NEAR(z.mean().item<double>(), 0.8 * label, 5 * std::sqrt(0.2 / 300));
    const at::Tensor log_z = chains.rates.at("log_z").index_select(0, rows);
    EXPECT_NEAR(log_z.min().item<double>(), -0.5 * std::log(5.0) - 0.4 * label * label, 0.15);
    EXPECT_EQ(log_z.min().item<double>(), log_z.max().item<double>());
  }
}

// The last block computes as many particles as the others, and keeps the first.
TEST(Smc, TheLastBlockIsNoSmaller) {
  const Target target = gaussian_target(std::vector<double>{6.0, 2.0});
  const Method method = smc({.steps = 8}, target, tensor::Noise{84});
  EXPECT_TRUE(method.population);
  const RecordPlan plan{.records = {0, 4, 8}, .snapshots = {}};
  const BlockResult whole = *run_block(method, target, tensor::Noise{84}, BlockPlan{400, 200}.block(1), plan);
  const BlockResult part = *run_block(method, target, tensor::Noise{84}, BlockPlan{250, 200}.block(1), plan);
  EXPECT_TRUE(at::equal(whole.latents.narrow(0, 0, 50), part.latents));
  // Log Z, a state of the population, is recorded as it stands, not as a mean over steps.
  Chains chains = start(method, {200, 400}, target, tensor::Noise{84});
  for (int64_t step = 0; step < 8; ++step) method.advance(chains, step);
  const std::vector<std::string> names = curve_names(method);
  const auto column = std::find(names.begin(), names.end(), "log_z") - names.begin();
  EXPECT_NEAR(whole.curves[2][column].item<double>() / 200, mean_of(chains, "log_z"), 1e-9);
}

// Where no level is raised any more, steps are pCN at the target alone.
TEST(Smc, StepsBeyondTheLastLevelMoveAlone) {
  const Target target = gaussian_target(std::vector<double>{1.2});
  const Method method = smc({.steps = 10}, target, tensor::Noise{85});
  Chains chains = start(method, {0, 500}, target, tensor::Noise{85});
  method.advance(chains, 0);
  EXPECT_EQ(mean_of(chains, "inverse_temperature"), 1);
  const double log_z = mean_of(chains, "log_z"), ancestors = mean_of(chains, "ancestors");
  for (int64_t step = 1; step < 10; ++step) method.advance(chains, step);
  EXPECT_EQ(mean_of(chains, "log_z"), log_z);
  EXPECT_EQ(mean_of(chains, "ancestors"), ancestors);
  EXPECT_EQ(mean_of(chains, "population_ess"), 1);
}

TEST(Population, SharesAndSteps) {
  const std::vector<double> ones(4, 1.0), ratios{0, 0, 0, 1e4};
  const Groups all = groups_of(4);
  EXPECT_DOUBLE_EQ(conditional_share(ones, ratios, all, 1), 0.25);
  EXPECT_DOUBLE_EQ(conditional_share(ones, ratios, all, 0), 1);
  const double step = step_of_share(ones, ratios, all, 1, 0.9);
  EXPECT_NEAR(conditional_share(ones, ratios, all, step), 0.9, 1e-6);
  EXPECT_EQ(step_of_share(ones, {1, 1, 1, 1}, all, 0.7, 0.9), 0.7);
  EXPECT_DOUBLE_EQ(effective_share({4, 0, 0, 0}, all), 0.25);
  EXPECT_EQ(groups_of(4, {2, 0, 2, 0}), (Groups{{1, 3}, {0, 2}}));
}

TEST(Population, ReweightingAddsUpLogZ) {
  std::vector<double> weights(3, 1.0), log_z(3, 0.0);
  const std::vector<double> ratios{std::log(2.0), std::log(4.0), NAN};
  reweight(weights, ratios, groups_of(3), 1, log_z);
  EXPECT_NEAR(log_z[0], std::log(2.0), 1e-12);  // (2 + 4 + 0) / 3
  EXPECT_NEAR(weights[0], 1, 1e-12);
  EXPECT_NEAR(weights[1], 2, 1e-12);
  EXPECT_EQ(weights[2], 0);
}

TEST(Population, ResamplingIsSystematic) {
  std::vector<double> weights{0, 2.5, 0.5, 1, 0};
  EXPECT_EQ(resample(weights, groups_of(5), 0.5), (std::vector<int64_t>{1, 1, 1, 2, 3}));
  EXPECT_EQ(weights, std::vector<double>(5, 1.0));
  // How often each is taken: its weight rounded up or down, in the mean its weight; nobody without weight, at any u.
  std::vector<double> taken(5, 0);
  for (int i = 0; i < 1000; ++i) {
    std::vector<double> again{0, 2.5, 0.5, 1, 1e-17};
    for (const int64_t from : resample(again, groups_of(5), (i + 0.5) / 1000)) ++taken[static_cast<size_t>(from)];
  }
  EXPECT_EQ(taken[0], 0);
  EXPECT_NEAR(taken[1] / 1000, 3.125, 2e-3);  // 2.5 of 4, of 5 places
  EXPECT_NEAR(taken[2] / 1000, 0.625, 2e-3);
  std::vector<double> none{0, 0};
  EXPECT_EQ(resample(none, groups_of(2), 0.3), (std::vector<int64_t>{0, 1}));
  std::vector<double> labels{0, 2, 2, 0};
  EXPECT_EQ(resample(labels, groups_of(4, {0, 0, 1, 1}), 0.9), (std::vector<int64_t>{1, 1, 2, 2}));
}

}  // namespace
}  // namespace ddls::sampling::smc_test
