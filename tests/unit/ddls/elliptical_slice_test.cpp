// Elliptical slice sampling against closed forms, in many dimensions, and what it says that it evaluates.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "ddls/open_chains.hpp"
#include "ddls/registry.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/ridge_target.hpp"
#include "unit/ddls/sample_config.hpp"
#include "unit/ddls/statistics.hpp"
#include "test_device.hpp"

namespace ddls::sampling::elliptical_slice_test {
namespace {

Method slice(int64_t steps, const Target& target, const tensor::Noise& noise) {
  return make_method("elliptical_slice", test::sample_config({fmt::format("elliptical_slice.steps={}", steps)}), target,
                     noise);
}

TEST(EllipticalSlice, IsExact) {
  constexpr int64_t many = 10'000;
  const at::Tensor covariance = at::tensor({0.5, 0.3, 0.3, 0.4}, test::there(at::kDouble)).view({2, 2});
  const Target gaussian = gaussian_target(at::linalg_inv(covariance).to(at::kFloat));
  const at::Tensor z =
      run_chains(slice(40, gaussian, tensor::Noise{71}), gaussian, tensor::Noise{71}, many).z.to(at::kDouble);
  expect_variance(z.select(1, 0), 0.5);
  expect_variance(z.select(1, 1), 0.4);
  EXPECT_NEAR((z.select(1, 0) * z.select(1, 1)).mean().item<double>(), 0.3, 5 * std::sqrt((0.5 * 0.4 + 0.09) / many));
  const Target modes = mixture_target(1.8, 0.3, 0.8);
  const at::Tensor m = run_chains(slice(150, modes, tensor::Noise{72}), modes, tensor::Noise{72}, many).z;
  expect_law(m.select(1, 0), [](double x) { return 0.8 * normal_cdf(x - 1.8, 0.3) + 0.2 * normal_cdf(x + 1.8, 0.3); });
  expect_law(m.select(1, 1), [](double y) { return normal_cdf(y, 0.3); });
}

TEST(EllipticalSlice, InManyDimensions) {
  std::vector<double> evaluations;
  for (const int64_t k : {int64_t{16}, int64_t{12'288}}) {
    const Target target = test::ridge_target(k);
    const Chains chains = test::run_from_half(slice(25, target, tensor::Noise{73}), target, tensor::Noise{73}, 60);
    test::expect_ridge_law(chains.z);
    evaluations.push_back(chains.rates.at("evaluations").mean().item<double>());
  }
  EXPECT_LT(evaluations[1], 6);
  EXPECT_NEAR(evaluations[0], evaluations[1], 1);
}

// Networks see few batch shapes, the rows evaluated are those that the rate counts and less than an eighth more, and
// the angles of a chain do not depend on its neighbours.
TEST(EllipticalSlice, CountsWhatItEvaluates) {
  const Target plain = gaussian_target(std::vector<double>{30.0, 5.0});
  Target target = plain;
  std::vector<int64_t> batches;
  target.evaluate_by = [&](const at::Tensor& z, const at::Tensor& labels) {
    batches.push_back(z.size(0));
    return plain.evaluate(z, labels);
  };
  const Method method = slice(1, target, tensor::Noise{74});
  EXPECT_TRUE(method.cost.counted);
  Chains chains = start(method, {0, 80}, target, tensor::Noise{74});
  batches.clear();
  method.advance(chains, 0);
  const double counted = chains.rates.at("evaluations").sum().item<double>();
  int64_t rows = 0;
  for (const int64_t batch : batches) {
    EXPECT_EQ(batch % 10, 0);
    rows += batch;
  }
  EXPECT_EQ(batches.front(), 80);
  EXPECT_LT(batches.back(), 80);
  EXPECT_GE(static_cast<double>(rows), counted);
  const double known_late = test::on_gpu() ? 80.0 * OpenChains::lag : 0;  // two whole batches more
  EXPECT_LT(static_cast<double>(rows), counted + 10.0 * static_cast<double>(batches.size()) + known_late);
  EXPECT_GE(chains.rates.at("evaluations").min().item<double>(), 1);
  Chains part = start(method, {30, 50}, plain, tensor::Noise{74});
  method.advance(part, 0);
  EXPECT_TRUE(at::equal(part.z, chains.z.narrow(0, 30, 20)));
  EXPECT_TRUE(at::equal(part.rates.at("evaluations"), chains.rates.at("evaluations").narrow(0, 30, 20)));
}

// Nothing but the point itself is on the slice: the bracket shrinks to it, and a chain that is lost asks for nothing.
TEST(EllipticalSlice, EndsWhereNothingIsAccepted) {
  Target target = gaussian_target(std::vector<double>{1.0});
  const auto plain = target.evaluate_by;
  target.evaluate_by = [plain](const at::Tensor& z, const at::Tensor& labels) {
    Evaluation e = plain(z, labels);
    e.log_ratio = at::full_like(e.log_ratio, NAN);
    return e;
  };
  const Method method = slice(1, target, tensor::Noise{75});
  Chains chains = start(method, {0, 20}, target, tensor::Noise{75});
  chains.now.log_ratio.zero_();
  chains.now.log_ratio[3] = NAN;
  const at::Tensor before = chains.z;
  method.advance(chains, 0);
  EXPECT_TRUE(at::equal(chains.z, before));
  EXPECT_EQ(chains.rates.at("evaluations")[3].item<double>(), 0);
  EXPECT_GT(chains.rates.at("evaluations")[4].item<double>(), 50);
}

}  // namespace
}  // namespace ddls::sampling::elliptical_slice_test
