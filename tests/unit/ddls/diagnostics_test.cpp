// Parity with ArviZ (tests/data/make_arviz_fixture.py), and what the summary of a run says.
#include "ddls/diagnostics.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "base/json.hpp"
#include "ddls/sample_store.hpp"
#include "ddls/trace_summary.hpp"
#include "tensor/noise.hpp"
#include "tensor/npz.hpp"

namespace ddls::sampling::diagnostics_test {
namespace {

TEST(Diagnostics, AgreeWithArviz) {
  const tensor::NamedTensors file = tensor::read_npz(std::string(DDLS_TEST_DATA) + "/arviz_fixture.npz");
  int cases = 0;
  for (const auto& [name, draws] : file) {
    if (name.ends_with("_expected")) continue;
    const at::Tensor expected = file.at(name + "_expected");
    const auto near = [&](double value, int64_t at) {
      const double reference = expected[at].item<double>();
      EXPECT_NEAR(value, reference, 1e-6 * std::abs(reference)) << name << " " << at;
    };
    near(rank_rhat(draws), 0);
    near(bulk_ess(draws), 1);
    near(autocorrelation_time(draws), 2);
    near(tail_ess(draws), 3);
    ++cases;
  }
  EXPECT_EQ(cases, 8);
}

TEST(Diagnostics, RefuseWhatIsTooShort) {
  EXPECT_THROW(rank_rhat(at::zeros({4, fewest_draws - 1})), Error);
  EXPECT_TRUE(std::isnan(rank_rhat(at::ones({4, 20}))));
  EXPECT_TRUE(std::isnan(bulk_ess(at::ones({4, 20}))));
  EXPECT_TRUE(std::isnan(tail_ess(at::ones({4, 20}))));
}

// A trace of 60 records, 10 steps apart, of 50 chains.
at::Tensor noise_trace() {
  const auto names = static_cast<int64_t>(trace_names(most_components).size());
  return tensor::Noise{71}.normal({0, 60 * 50}, names, 0, Stream::prior).view({60, 50, names});
}

std::vector<int64_t> every_tenth(int64_t records) {
  std::vector<int64_t> steps;
  for (int64_t i = 0; i < records; ++i) steps.push_back(10 * i);
  return steps;
}

TEST(TraceSummary, TellsMixedChainsFromThoseThatAreNot) {
  at::Tensor trace = noise_trace();
  const Json good = trace_summary(trace, every_tenth(60));
  EXPECT_LT(good["rhat"].get<double>(), 1.02);
  EXPECT_NEAR(good["ess_per_chain"].get<double>(), 30, 6);
  EXPECT_EQ(good["diagnosed"]["from_step"], 300);
  EXPECT_EQ(good["diagnosed"]["chains"], 50);
  EXPECT_EQ(good["diagnosed"]["steps"], 300);
  EXPECT_GT(good["tail_ess_per_chain"].get<double>(), 15);
  // One projection in which every chain stays near a place of its own.
  trace.select(2, 3).mul_(0.1).add_(at::arange(50).to(at::kFloat).unsqueeze(0));
  const Json bad = trace_summary(trace, every_tenth(60));
  EXPECT_GT(bad["rhat"].get<double>(), 2);
  EXPECT_LT(bad["diagnosed"]["scalars"]["energy"]["rhat"].get<double>(), 1.02);
}

TEST(TraceSummary, NamesTheComponentsThatThereAre) {
  const auto scalars = [](const at::Tensor& trace) {
    return trace_summary(trace, every_tenth(60))["diagnosed"]["scalars"];
  };
  const at::Tensor trace = noise_trace();
  EXPECT_TRUE(scalars(trace).contains("feature_component_3"));
  EXPECT_EQ(scalars(trace.narrow(2, 0, fewest_trace_columns + 1)).back(), scalars(trace)["feature_component_0"]);
  EXPECT_FALSE(scalars(trace.narrow(2, 0, fewest_trace_columns)).contains("feature_component_0"));
}

TEST(TraceSummary, LeavesOutWhatIsNoSeries) {
  // The last record is out of turn: 30 records of the second half are 29.
  std::vector<int64_t> steps = every_tenth(60);
  steps.back() = 583;
  EXPECT_EQ(trace_summary(noise_trace(), steps)["diagnosed"]["records"], 29);
}

TEST(TraceSummary, SaysWhyThereIsNothing) {
  EXPECT_TRUE(trace_summary({}, {0, 10})["rhat"].is_null());
  const Json brief = trace_summary(noise_trace().narrow(0, 0, 10), every_tenth(10));
  EXPECT_TRUE(brief["rhat"].is_null());
  EXPECT_NE(brief["why"].get<std::string>().find("record_every"), std::string::npos);
  EXPECT_TRUE(trace_summary(at::zeros_like(noise_trace()), every_tenth(60))["rhat"].is_null());
}

}  // namespace
}  // namespace ddls::sampling::diagnostics_test
