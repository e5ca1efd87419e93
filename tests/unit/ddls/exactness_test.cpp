// Methods with a Metropolis test have no bias: the law of many independent chains after many steps against the exact
// one, for a correlated Gaussian and for two modes of unequal weight (chains start from the prior, which gives them
// equal weight). statistics.hpp states the failure probabilities.
#include <gtest/gtest.h>

#include <cmath>

#include "ddls/methods/ex2mcmc.hpp"
#include "ddls/methods/tempering.hpp"
#include "ddls/methods/ula.hpp"
#include "ddls/registry.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::exactness_test {
namespace {

constexpr int64_t many = 10'000;

config::SampleConfig options(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all{"mala.steps=300",          "mala.step_sizes=[0.3]",
                               "mala.adapt=false",        "hmc.steps=120",
                               "hmc.leapfrog_steps=4",    "hmc.step_size=0.3",
                               "hmc.jitter=0.3",          "hmc.adapt=false",
                               "underdamped.steps=500",   "underdamped.step_size=0.35",
                               "underdamped.adjust=true", "ex2mcmc.steps=40",
                               "ex2mcmc.proposals=5",     "ex2mcmc.mala_steps=3",
                               "ex2mcmc.step_size=0.2",   "ex2mcmc.adapt=false",
                               "tempering.steps=100",     "tempering.levels=3",
                               "tempering.smallest=0.3",  "tempering.step_size=0.2",
                               "tempering.adapt=false",   "mh_gan.steps=120",
                               "rep_gan.steps=300",       "rep_gan.step_size=0.3",
                               "drs.steps=300",           "drs.pilots=20000",
                               "pcn.steps=200",           "pcn.step_size=0.7",
                               "pcn.adapt=false",         "elliptical_slice.steps=60",
                               "rejection.budget=300",    "rejection.pilots=20000",
                               "isir.steps=40",           "isir.proposals=8",
                               "flow.steps=10",           "flow.warmup=100",
                               "flow.batch=64",           "flow.width=16",
                               "flow.pilots=1000"};
  all.insert(all.end(), more.begin(), more.end());
  return test::sample_config(all);
}

// Those that claim it as configured, also those that this test does not know by name; and drs and rejection, whose
// bound and number of candidates are enough for the targets here.
std::vector<std::string> exact_samplers() {
  std::vector<std::string> names;
  for (const Sampler& sampler : samplers())
    if (sampler.exact(options().options_of(sampler.name)) || sampler.name == "drs" || sampler.name == "rejection")
      names.push_back(sampler.name);
  return names;
}

TEST(Exactness, IsClaimedOfKernelsAsConfigured) {
  const auto is_exact = [](const std::string& name, const std::vector<std::string>& more) {
    return find_sampler(name)->exact(test::sample_config(more).options_of(name));
  };
  for (const char* name :
       {"mala", "hmc", "ex2mcmc", "tempering", "mh_gan", "rep_gan", "pcn", "elliptical_slice", "isir", "flow"})
    EXPECT_TRUE(is_exact(name, {})) << name;
  for (const char* name : {"generator", "ddls", "underdamped", "drs", "dot", "dgflow", "truncation", "pixel_langevin",
                           "smc", "rejection", "obrs", "sir"})
    EXPECT_FALSE(is_exact(name, {})) << name;
  EXPECT_TRUE(is_exact("underdamped", {"underdamped.adjust=true"}));
  EXPECT_FALSE(is_exact("underdamped", {"underdamped.adjust=true", "underdamped.temperature=0.5"}));
  EXPECT_FALSE(is_exact("hmc", {"hmc.temperature=2"}));
  const Target target = gaussian_target(std::vector<double>{2.0});
  EXPECT_TRUE(make_method("mala", options(), target, tensor::Noise{40}).exact);
  EXPECT_FALSE(make_method("ddls", options(), target, tensor::Noise{40}).exact);
}

// Covariance [[0.5, 0.3], [0.3, 0.4]]: tighter than the prior in every direction, so that the ratio is bounded (drs,
// mh_gan).
TEST(Exactness, CorrelatedGaussian) {
  const at::Tensor covariance = at::tensor({0.5, 0.3, 0.3, 0.4}, test::there(at::kDouble)).view({2, 2});
  const Target target = gaussian_target(at::linalg_inv(covariance).to(at::kFloat));
  for (const std::string& name : exact_samplers()) {
    SCOPED_TRACE(name);
    const Method method = make_method(name, options(), target, tensor::Noise{41});
    const at::Tensor z = run_chains(method, target, tensor::Noise{41}, many).z.to(at::kDouble);
    expect_variance(z.select(1, 0), 0.5);
    expect_variance(z.select(1, 1), 0.4);
    // Var(xy) = Sxx Syy + Sxy^2 for a Gaussian pair.
    EXPECT_NEAR((z.select(1, 0) * z.select(1, 1)).mean().item<double>(), 0.3, 5 * std::sqrt((0.5 * 0.4 + 0.09) / many));
    expect_law(z.select(1, 0), [](double x) { return normal_cdf(x, std::sqrt(0.5)); });
  }
}

TEST(Exactness, TwoModesOfUnequalWeight) {
  const double m = 0.9, s = 0.5, w = 0.8;
  const Target target = mixture_target(m, s, w);
  for (const std::string& name : exact_samplers()) {
    SCOPED_TRACE(name);
    const Method method = make_method(name, options(), target, tensor::Noise{42});
    const at::Tensor z = run_chains(method, target, tensor::Noise{42}, many).z;
    expect_law(z.select(1, 0), [&](double x) { return w * normal_cdf(x - m, s) + (1 - w) * normal_cdf(x + m, s); });
    expect_law(z.select(1, 1), [&](double y) { return normal_cdf(y, s); });
  }
}

// A drift that is rounded (sample.precision), here towards zero to whole numbers so that it shows: kernels that accept
// or reject are as exact as before, because proposal and accept step use the same function of z; without the test the
// law is another one.
TEST(Exactness, OfARoundedDrift) {
  const Target exact_drift = gaussian_target(std::vector<double>{4.0, 2.5});
  Target target = exact_drift;
  target.evaluate_by = [exact_drift](const at::Tensor& z, const at::Tensor& labels) {
    Evaluation e = exact_drift.evaluate(z, labels);
    e.grad_log_ratio = e.grad_log_ratio.trunc();
    return e;
  };
  for (const std::string name : {"mala", "hmc", "underdamped", "ex2mcmc"}) {
    SCOPED_TRACE(name);
    const at::Tensor z =
        run_chains(make_method(name, options(), target, tensor::Noise{48}), target, tensor::Noise{48}, many).z;
    expect_variance(z.select(1, 0), 0.25);
    expect_law(z.select(1, 0), [](double x) { return normal_cdf(x, 0.5); });
    expect_variance(z.select(1, 1), 0.4);
  }
  const UlaOptions unadjusted{.steps = 300, .step_size = 0.01, .noise_std = 1};
  const auto variance = [&](const Target& t) {
    return run_chains(ula(unadjusted, t, tensor::Noise{48}), t, tensor::Noise{48}, many)
        .z.select(1, 0)
        .var()
        .item<double>();
  };
  EXPECT_GT(std::abs(variance(target) / variance(exact_drift) - 1), 0.03);
}

// Modes that no local move leaves: the global move and the replicas carry the weights across.
TEST(Exactness, FarModes) {
  const double m = 1.8, s = 0.2, w = 0.8;
  const Target target = mixture_target(m, s, w);
  const config::SampleConfig c =
      options({"ex2mcmc.steps=80", "ex2mcmc.proposals=20", "ex2mcmc.mala_steps=1", "ex2mcmc.step_size=0.03",
               "tempering.steps=400", "tempering.levels=5", "tempering.smallest=0.1", "tempering.step_size=0.03",
               "tempering.adapt=true", "tempering.warmup=60", "tempering.pilot_chains=200"});
  const auto share = [&](const std::string& name) {
    const Chains chains = run_chains(make_method(name, c, target, tensor::Noise{43}), target, tensor::Noise{43}, 4000);
    return (chains.z.select(1, 0) > 0).to(at::kDouble).mean().item<double>();
  };
  const double bound = 5 * std::sqrt(w * (1 - w) / 4000);
  EXPECT_NEAR(share("ex2mcmc"), w, bound);
  EXPECT_NEAR(share("tempering"), w, bound);
  EXPECT_LT(share("mala"), 0.6);
}

TEST(Isir, AloneIsExactAndItsRateIsTheProbabilityOfLeaving) {
  const Target target = mixture_target(0.9, 0.5, 0.8);
  const Method method = ex2mcmc({.steps = 40, .proposals = 8, .mala_steps = 0}, target, tensor::Noise{44});
  const Chains chains = run_chains(method, target, tensor::Noise{44}, many);
  expect_law(chains.z.select(1, 0),
             [](double x) { return 0.8 * normal_cdf(x - 0.9, 0.5) + 0.2 * normal_cdf(x + 0.9, 0.5); });
  Chains next = chains;
  method.advance(next, 40);
  const double moved = (next.z != chains.z).any(1).to(at::kDouble).mean().item<double>();
  const double expected = next.rates.at("acceptance").mean().item<double>();
  EXPECT_NEAR(moved, expected, 5 * std::sqrt(0.25 / many));
}

// Weights of any size: the log-sum-exp neither overflows nor loses the one that counts.
TEST(Isir, SurvivesHugeLogRatios) {
  Target target = gaussian_target(std::vector<double>{1.0});
  target.evaluate_by = [](const at::Tensor& z, const at::Tensor&) {
    return Evaluation{-0.5 * z.square().sum(1), 1e4 * z.select(1, 0), at::full_like(z, 1e4)};
  };
  const Method method = ex2mcmc({.steps = 1, .proposals = 6, .mala_steps = 0}, target, tensor::Noise{45});
  Chains chains = start(method, {0, 200}, target, tensor::Noise{45});
  at::Tensor best = chains.z;
  for (int64_t j = 0; j < 5; ++j)
    best = at::maximum(best, tensor::Noise{45}.normal({0, 200}, 1, j, Stream::proposal, test::device()));
  method.advance(chains, 0);
  // e^{1e4 d} decides for the largest but where two are closer than 1e-3.
  EXPECT_GT((chains.z == best).to(at::kDouble).mean().item<double>(), 0.97);
  EXPECT_LT((best - chains.z).max().item<double>(), 2e-3);
}

TEST(Tempering, LevelsHaveTheirOwnLaws) {
  // On p0 e^{b r} with precision lambda: variance 1 / (1 + b (lambda - 1)); levels 1, 0.5 and the prior.
  const Target target = gaussian_target(std::vector<double>{4.0});
  const Method method = tempering({.steps = 100, .levels = 3, .smallest = 0.5, .step_size = 0.4, .adapt = false},
                                  target, tensor::Noise{46});
  const Chains chains = run_chains(method, target, tensor::Noise{46}, many);
  expect_variance(chains.z, 0.25);
  expect_variance(chains.extra.at("replica_z").select(1, 0), 1 / 2.5);
  expect_variance(chains.extra.at("replica_z").select(1, 1), 1);
  const double swaps = chains.rates.at("swap_acceptance").mean().item<double>();
  EXPECT_GT(swaps, 0.1);
  EXPECT_LT(swaps, 1);
}

TEST(Tempering, ReplicasKeepTheirEvaluationsThroughSwaps) {
  const Target target = gaussian_target(std::vector<double>{4.0, 1.0});
  const Method method = tempering({.steps = 10, .levels = 4, .smallest = 0.3, .step_size = 0.4, .adapt = false}, target,
                                  tensor::Noise{47});
  Chains chains = start(method, {0, 100}, target, tensor::Noise{47});
  for (int64_t step = 0; step < 10; ++step) {
    method.advance(chains, step);
    for (int64_t level = 0; level < 3; ++level) {
      const Evaluation again = target.evaluate(chains.extra.at("replica_z").select(1, level).contiguous());
      ASSERT_TRUE(at::equal(again.log_ratio, chains.extra.at("replica_log_ratio").select(1, level)));
      ASSERT_TRUE(at::equal(again.grad_log_ratio, chains.extra.at("replica_grad").select(1, level)));
    }
  }
}

}  // namespace
}  // namespace ddls::sampling::exactness_test
