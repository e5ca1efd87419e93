// Samplers that weigh prior draws (rejection, OBRS, i-SIR) and the flow, against closed forms.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "ddls/flow.hpp"
#include "ddls/methods/obrs.hpp"
#include "ddls/registry.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/ridge_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::draws_test {
namespace {

constexpr int64_t many = 10'000;

Chains run(const std::string& name, const std::vector<std::string>& options, const Target& target, uint64_t seed) {
  return run_chains(make_method(name, test::sample_config(options), target, tensor::Noise{seed}), target,
                    tensor::Noise{seed}, many);
}

double mean_rate(const Chains& chains, const char* rate) { return chains.rates.at(rate).mean().item<double>(); }

// r = -x^2 / 2: the largest weight is 1, its mean sqrt(1 / 2), so that sqrt(2) proposals make a sample.
TEST(Rejection, MakesWhatTheWeightsSay) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const Chains chains = run("rejection", {"rejection.budget=60"}, target, 81);
  expect_variance(chains.z, 0.5);
  expect_law(chains.z, [](double x) { return normal_cdf(x, std::sqrt(0.5)); });
  EXPECT_NEAR(mean_rate(chains, "proposals"), std::sqrt(2.0), 0.05);
  EXPECT_EQ(mean_rate(chains, "ran_out"), 0);
}

TEST(Rejection, CountsThoseThatRunOut) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const Chains chains = run("rejection", {"rejection.budget=3"}, target, 82);
  EXPECT_NEAR(mean_rate(chains, "ran_out"), std::pow(1 - std::sqrt(0.5), 3), 0.01);
}

TEST(Obrs, OneProposalIsTheGeneratorAndManyAreRejection) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const Chains one = run("obrs", {"obrs.proposals=1", "obrs.steps=20"}, target, 83);
  expect_variance(one.z, 1);
  EXPECT_EQ(mean_rate(one, "proposals"), 1);
  const Chains all = run("obrs", {"obrs.proposals=50", "obrs.steps=60"}, target, 84);
  expect_variance(all.z, 0.5);
  EXPECT_NEAR(mean_rate(all, "proposals"), std::sqrt(2.0), 0.05);
}

TEST(Obrs, KeepsItsBudgetOnAverage) {
  const Target target = gaussian_target(std::vector<double>{30.0});
  const Chains chains = run("obrs", {"obrs.proposals=3", "obrs.steps=200", "obrs.pilots=50000"}, target, 85);
  EXPECT_NEAR(mean_rate(chains, "proposals"), 3, 0.15);
}

// Against the law of the acceptance by bisection, and the divergence by sums over the pilots.
TEST(Obrs, AcceptanceAgreesWithBisection) {
  const at::Tensor r = at::arange(2000, test::there(at::kDouble)).mul(0.7).sin().mul(4);
  double last = INFINITY;
  for (const double proposals : {1.2, 2.0, 5.0, 20.0}) {
    const BudgetedAcceptance found = budgeted_acceptance(r, proposals);
    double low = -50, high = 50;
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      ((r + middle).clamp_max(0).exp().mean().item<double>() < 1 / proposals ? low : high) = middle;
    }
    const double scale = std::max(low, -r.max().item<double>());
    EXPECT_NEAR(found.log_scale, scale, 1e-9) << proposals;
    const at::Tensor target = r.softmax(0), law = (r + scale).clamp_max(0).exp();
    const double kl = (target * (target / (law / law.sum())).log()).sum().item<double>();
    EXPECT_NEAR(found.kl, kl, 1e-9) << proposals;
    EXPECT_LE(found.kl, last) << proposals;  // the more proposals, the closer
    last = found.kl;
  }
  EXPECT_NEAR(last, 0, 1e-9);  // e^4 over the mean of e^r is fewer than 20
}

TEST(Isir, APoolCostsNoDecodesAndHasTheLawOfItsWeights) {
  const Target plain = gaussian_target(std::vector<double>{2.0});
  Target target = plain;
  int64_t evaluated = 0;
  target.evaluate_by = [&](const at::Tensor& z, const at::Tensor& labels) {
    evaluated += z.size(0);
    return plain.evaluate(z, labels);
  };
  const Chains chains = run("isir", {"isir.pool=20000", "isir.steps=30", "isir.proposals=8"}, target, 86);
  EXPECT_EQ(evaluated, 20'000 + many);  // the pool, and the starts
  const double variance = chains.z.square().mean().item<double>();
  EXPECT_NEAR(variance, 0.5, 5 * 0.5 * std::sqrt(2.0 / many + 2 * std::sqrt(2.0) / 20'000));
}

// Before any step the chains have the target's variance, 1/2 here and 1 among prior draws; so have those of later
// starts.
TEST(StartPool, ChainsOfExactKernelsStartAtTheTarget) {
  const Target target = gaussian_target(std::vector<double>{2, 2});
  for (const int64_t draw : {0, 3}) {
    const config::SampleConfig config = test::sample_config({"start_pool=20000", "mala.steps=0", "mala.adapt=false"});
    const Method method = make_method("mala", config, target, tensor::Noise{89});
    const Chains chains = start(method, {0, many}, target, tensor::Noise{89}, draw);
    EXPECT_NEAR(chains.z.square().mean().item<double>(), 0.5,
                5 * 0.5 * std::sqrt(1.0 / many + std::sqrt(2.0) / 20'000));
    EXPECT_TRUE(at::equal(chains.now.log_ratio, target.evaluate(chains.z).log_ratio));
    EXPECT_NEAR(method.warm_up.at("start_ess_fraction"), 0.75,
                0.05);  // of w = e^{-|z|^2 / 2} in the plane: (1/2)^2 / (1/3)
  }
  const config::SampleConfig config = test::sample_config({"start_pool=20000", "ddls.steps=0"});
  EXPECT_FALSE(starts_from_pool("ddls", config));  // unadjusted: its own law is another
  EXPECT_NEAR(start(make_method("ddls", config, target, tensor::Noise{89}), {0, many}, target, tensor::Noise{89})
                  .z.square()
                  .mean()
                  .item<double>(),
              1, 0.1);
}

// Draws are those of the chain's label: label 1 has the ratio z_0, label 0 that of -z_0.
TEST(StartPool, DrawsHaveTheLabelOfTheChain) {
  Target target = make_target([](const at::Tensor& z, const at::Tensor&) { return z; },
                              [](const at::Tensor& x, const at::Tensor& y) { return x.select(1, 0) * (y * 2 - 1); }, 2,
                              test::device());
  target.labels_of = [](IdRange ids) { return at::arange(ids.begin, ids.end, at::kLong).remainder(2); };
  const Method method =
      make_method("isir", test::sample_config({"start_pool=20000", "isir.steps=0"}), target, tensor::Noise{90});
  const Chains chains = start(method, {0, many}, target, tensor::Noise{90});
  const at::Tensor signed_z = chains.z.select(1, 0) * (chains.labels * 2 - 1);
  EXPECT_NEAR(signed_z.mean().item<double>(), 1, 0.1);  // N(1, 1) for both
  EXPECT_NEAR(signed_z.std().item<double>(), 1, 0.1);
}

int64_t distinct(const at::Tensor& z) { return std::get<0>(at::unique_dim(z, 0)).size(0); }

// The largest of 40 000 weights is sqrt(2) / 40 000: 0.35 / n for n chains, and within 1 / (sqrt(5) n) of each other
// there are no two. Independent weighted draws would repeat about 1400 of these.
TEST(StartPool, ADrawIsTakenTwiceOnlyWhereItsWeightAsksForIt) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const Chains chains = run("sir", {"sir.pool=40000"}, target, 91);
  EXPECT_EQ(distinct(chains.z), many);
  expect_variance(chains.z, 0.5);
  expect_law(chains.z, [](double x) { return normal_cdf(x, std::sqrt(0.5)); });
  // So it is for any number of them, and in blocks of any size.
  const Method method = make_method("sir", test::sample_config({"sir.pool=40000"}), target, tensor::Noise{91});
  const auto part = [&](int64_t begin, int64_t end) {
    return start(method, {begin, end}, target, tensor::Noise{91}).z;
  };
  EXPECT_TRUE(at::equal(at::cat({part(0, 7), part(7, 700), part(700, 701)}), chains.z.narrow(0, 0, 701)));
}

// A draw with a large weight comes as often as that says: 25 draws, 2100 and 900 chains of their labels.
TEST(StartPool, RepeatsAreInProportionToTheWeights) {
  Target target =
      make_target([](const at::Tensor& z, const at::Tensor&) { return z; },
                  [](const at::Tensor& x, const at::Tensor&) { return 2 * x.select(1, 0); }, 1, test::device());
  target.labels_of = [](IdRange ids) { return (at::arange(ids.begin, ids.end, at::kLong) * 7 % 10 > 6).to(at::kLong); };
  const Method method = make_method("sir", test::sample_config({"sir.pool=25"}), target, tensor::Noise{92});
  const Chains chains = start(method, {0, 3000}, target, tensor::Noise{92});
  for (const int64_t label : {0, 1}) {
    const at::Tensor of_label = chains.z.index_select(0, (chains.labels == label).nonzero().flatten());
    const auto [z, inverse, counts] = at::unique_dim(of_label, 0, true, false, true);
    const at::Tensor shares = counts.to(at::kDouble) / of_label.size(0);
    EXPECT_GT(z.size(0), 3);
    const at::Tensor weights = (2 * z.flatten().to(at::kDouble)).softmax(0);
    EXPECT_LT((shares - weights).abs().max().item<double>(), 0.01) << label;
  }
}

// Alone, without the others to which it keeps its distance, a chain is a weighted draw: its law over seeds.
TEST(StartPool, EachChainAloneHasTheLawOfTheWeights) {
  const Target target = gaussian_target(std::vector<double>{2.0});
  const config::SampleConfig config = test::sample_config({"sir.pool=200"});
  for (const int64_t chain : {0, 13})
    for (const int64_t draw : {0, 2}) {
      std::vector<at::Tensor> z;
      for (uint64_t seed = 0; seed < 4000; ++seed) {
        const tensor::Noise noise{1000 + seed};
        z.push_back(start(make_method("sir", config, target, noise), {chain, chain + 1}, target, noise, draw).z);
      }
      expect_variance(at::cat(z), 0.5);
    }
}

TEST(RealNvp, InvertsAndKnowsItsDensity) {
  const FlowShape shape{.dim = 5, .couplings = 6, .width = 16, .classes = 3};
  const RealNvp flow(shape, 11);
  const at::Tensor x = tensor::Noise{87}.normal({0, 7}, 5, 0, Stream::pilot, test::device()).to(at::kDouble);
  const at::Tensor labels = at::arange(7, test::there(at::kLong)).remainder(3);
  const at::Tensor same = flow.forward(flow.initial(), x, labels).to;
  EXPECT_LT((same - x).abs().max().item<double>(), 1e-12);
  const at::Tensor noise = tensor::Noise{88}.normal({0, flow.parameters()}, 1, 0, Stream::pilot, test::device());
  const at::Tensor parameters = flow.initial() + 0.2 * noise.flatten().to(at::kDouble);
  const auto [z, log_det] = flow.forward(parameters, x, labels);
  EXPECT_GT((z - x).abs().max().item<double>(), 0.1);
  const auto back = flow.inverse(parameters, z, labels);
  EXPECT_LT((back.to - x).abs().max().item<double>(), 1e-10);
  EXPECT_LT((back.log_det + log_det).abs().max().item<double>(), 1e-10);
  // The Jacobian by central differences, in float64.
  constexpr double h = 1e-6;
  std::vector<at::Tensor> columns;
  for (int64_t j = 0; j < 5; ++j) {
    at::Tensor step = at::zeros({1, 5}, test::there(at::kDouble));
    step[0][j] = h;
    columns.push_back((flow.forward(parameters, x + step, labels).to - flow.forward(parameters, x - step, labels).to) /
                      (2 * h));
  }
  const at::Tensor jacobian = at::stack(columns, 2);
  EXPECT_LT((jacobian.det().abs().log() - log_det).abs().max().item<double>(), 1e-7);
  const at::Tensor density = -0.5 * x.square().sum(1) - log_det;
  EXPECT_LT((flow.log_density(parameters, z, labels) - density).abs().max().item<double>(), 1e-10);
}

// The fit helps (its draws are worth more than the prior's), and the kernel is exact with either correction.
TEST(Flow, LearnsTheTargetAndIsCorrected) {
  const Target target = test::ridge_target(4);
  for (const char* kernel : {"isir", "metropolis"})
    for (const char* fit : {"reverse", "both"}) {
      SCOPED_TRACE(std::string(kernel) + " " + fit);
      const Method method =
          make_method("flow",
                      test::sample_config({std::string("flow.kernel=") + kernel, std::string("flow.fit=") + fit,
                                           "flow.warmup=150", "flow.batch=128", "flow.width=16", "flow.pilots=2000"}),
                      target, tensor::Noise{89});
      EXPECT_GT(method.warm_up.at("ess_fraction"), 1.5 * method.warm_up.at("prior_ess_fraction"));
      // log E_p0 e^r of the ridge: -log(1 + c) / 2 - c m^2 / (2 (1 + c))
      EXPECT_NEAR(method.warm_up.at("log_z"), -0.5 * std::log(4.0) - 3 * 4 / 8.0, 0.1);
      test::expect_ridge_law(run_chains(method, target, tensor::Noise{90}, many).z);
    }
}

}  // namespace
}  // namespace ddls::sampling::draws_test
