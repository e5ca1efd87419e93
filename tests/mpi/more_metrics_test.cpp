// MIND, closed and soft balls, clipped density and coverage, Vendi score, CMMD, authenticity and C_T: against a second
// implementation (tests/data/metrics/make_more_parity.py), closed forms, and themselves at another rank count.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/json.hpp"
#include "config/load.hpp"
#include "metrics/cells.hpp"
#include "tensor/k_means.hpp"
#include "metrics/entries/clipped.hpp"
#include "metrics/entries/ct.hpp"
#include "metrics/set_metrics.hpp"
#include "mpi/metric_points.hpp"
#include "mpi/world.hpp"
#include "tensor/npz.hpp"

namespace ddls {
namespace {

const std::vector<std::string> asked{"mind",  "cmmd",         "improved_pr", "clipped", "probabilistic_pr",
                                     "vendi", "authenticity", "ct",          "fld"};

metrics::EvaluationSet set_of_rows(const at::Tensor& rows, const std::string& name) {
  data::Dataset data;
  data.name = name;
  data.samples = rows.contiguous();
  return metrics::set_of(data);
}

// Of these sets, with options as `--set evaluate.X=...` would give them.
Json metrics_of_sets(dist::Communicator& comm, const std::vector<std::string>& names,
                     const metrics::EvaluationSet& fake, const metrics::EvaluationSet& real,
                     const metrics::EvaluationSet* training = nullptr) {
  config::EvaluateConfig c = every_metric();
  c.metrics = names;
  const metrics::MetricContext context{comm, c};
  return metrics::metrics_of(context, fake, metrics::prepare_reference(context, real, training));
}

struct ParitySets {
  ParitySets() {
    const tensor::NamedTensors arrays = tensor::read_npz(fs::path(DDLS_TEST_DATA) / "metrics/parity.npz");
    fake = arrays.at("fake");
    real = arrays.at("real");
    const at::Tensor copies = (fake.narrow(0, 0, 40).to(at::kDouble) + 0.001).to(at::kFloat);
    training = at::cat({real.narrow(0, 130, 130), copies});
  }
  at::Tensor fake, real, training;
};

void expect_same(const Json& a, const Json& b, const std::string& name) {
  if (a.is_number_float()) {
    EXPECT_NEAR(a.get<double>(), b.get<double>(), 1e-9 * std::abs(a.get<double>())) << name;
  } else if (a.is_structured()) {
    ASSERT_EQ(a.size(), b.size()) << name;
    for (const auto& [key, value] : a.items()) expect_same(value, a.is_array() ? b[std::stoul(key)] : b[key], key);
  } else {
    EXPECT_EQ(a, b) << name;
  }
}

TEST(MoreMetrics, EqualASecondImplementation) {
  const ParitySets sets;
  const auto expected = nlohmann::json::parse(read_file(fs::path(DDLS_TEST_DATA) / "metrics/more_parity.json"));
  const metrics::EvaluationSet fake = set_of_rows(sets.fake, "fake"), training = set_of_rows(sets.training, "training");
  const Json whole = metrics_of_sets(world(), asked, fake, set_of_rows(sets.real, "real"), &training);
  const Json half = metrics_of_sets(world(), asked, fake, set_of_rows(sets.real.narrow(0, 0, 130), "real"), &training);
  for (const char* count : {"improved_precision", "improved_recall", "authenticity"})
    EXPECT_EQ(whole[count].get<double>(), expected[count].get<double>()) << count;
  for (const char* name :
       {"clipped_density", "clipped_coverage", "vendi", "probabilistic_precision", "probabilistic_recall", "cmmd"}) {
    const auto value = expected[name].get<double>();
    EXPECT_NEAR(whole[name].get<double>(), value, 1e-9 * value) << name;
  }
  EXPECT_EQ(half["authenticity"], whole["authenticity"]);  // no matter of the reference
}

at::Tensor distances_between(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble).unsqueeze(1) - b.to(at::kDouble).unsqueeze(0)).square().sum(2).sqrt();
}

// What samples are held against: the share of unseen reals; of none where the reference is the training set.
TEST(MoreMetrics, AuthenticityOfUnseenReals) {
  const ParitySets sets;
  const at::Tensor unseen = sets.real.narrow(0, 0, 130);
  const auto [least, nearest] = distances_between(unseen, sets.training).min(1);
  const at::Tensor own = distances_between(sets.training, sets.training).fill_diagonal_(1e9).amin(1);
  const auto expected = (own.index_select(0, nearest) < least).to(at::kDouble).mean().item<double>();
  const metrics::EvaluationSet training = set_of_rows(sets.training, "training");
  const auto found = [&](const metrics::EvaluationSet& reference) {
    return metrics_of_sets(world(), {"authenticity"}, set_of_rows(sets.fake, "fake"), reference, &training);
  };
  EXPECT_EQ(found(set_of_rows(unseen, "real"))["authenticity_reals"].get<double>(), expected);
  EXPECT_GT(expected, 0.2);
  metrics::EvaluationSet seen = training;
  seen.training = true;
  const Json of_seen = found(seen);
  EXPECT_TRUE(of_seen["authenticity"].is_number());
  EXPECT_EQ(of_seen["authenticity_reals_why"], "training is the training set");
}

// Subsets from the pass over all pairs, against each on its own.
TEST(MoreMetrics, KidOfSubsetsEqualsEachSubset) {
  const ParitySets sets;
  std::vector<double> values;
  for (const metrics::KidSubset& subset : metrics::draw_kid_subsets(sets.fake.size(0), sets.real.size(0), 7, 90)) {
    const at::Tensor x = sets.fake.index_select(0, subset.fake), y = sets.real.index_select(0, subset.real);
    values.push_back(metrics::squared_mmd(
        {metrics::kernel_sum_off_diagonal(x), metrics::kernel_sum_off_diagonal(y), metrics::kernel_sum(x, y)}, 90, 90));
  }
  const at::Tensor expected = at::tensor(values, at::kDouble);
  const Json kid =
      metrics_of_sets(world(), {"kid"}, set_of_rows(sets.fake, "fake"), set_of_rows(sets.real, "real"))["kid"];
  const auto near = [](double a, double b) { EXPECT_NEAR(a, b, 1e-6 * std::abs(b)); };  // products in float32
  near(kid["subsets_mean"], expected.mean().item<double>());
  near(kid["subsets_std"], expected.std(false).item<double>());
}

// One pass over the pairs gives each metric what it has alone, whatever rows the others look at.
TEST(MoreMetrics, PairsAreSharedByMetricsOfOtherCounts) {
  config::Config whole;
  whole.evaluate = every_metric();
  const auto found = [&](const std::string& names) {
    const config::EvaluateConfig c =
        config::load_config("",
                            {"evaluate.metrics=[" + names + "]", "evaluate.batch=20", "evaluate.prdc.count=333",
                             "evaluate.improved_pr.count=95", "evaluate.clipped.count=501"},
                            whole)
            .evaluate;
    const metrics::MetricContext context{world(), c};
    return metrics::metrics_of(context, points(530, 1, 0.3), metrics::prepare_reference(context, points(410, 2, 0)));
  };
  Json alone = Json::object();
  for (const char* name : {"cmmd", "prdc", "improved_pr", "clipped", "probabilistic_pr"}) alone.update(found(name));
  expect_same(alone, found("cmmd,prdc,improved_pr,clipped,probabilistic_pr"), "metrics");
  EXPECT_GE(alone.size(), 11u);
}

TEST(MoreMetrics, FldEqualsASecondImplementation) {
  const ParitySets sets;
  const auto expected = nlohmann::json::parse(read_file(fs::path(DDLS_TEST_DATA) / "metrics/more_parity.json"))["fld"];
  const metrics::EvaluationSet training = set_of_rows(sets.training, "training");
  const Json fld = metrics_of_sets(world(), {"fld"}, set_of_rows(sets.fake, "fake"),
                                   set_of_rows(sets.real.narrow(0, 0, 130), "real"), &training)["fld"];
  for (const char* name : {"value", "gap"})
    EXPECT_NEAR(fld[name].get<double>(), expected[name].get<double>(), 1e-5 * std::abs(expected[name].get<double>()));
}

TEST(MoreMetrics, CtOfOneCellEqualsASecondImplementation) {
  const ParitySets sets;
  const auto expected = nlohmann::json::parse(read_file(fs::path(DDLS_TEST_DATA) / "metrics/more_parity.json"));
  config::EvaluateConfig c = every_metric();
  config::Config whole;
  whole.evaluate = c;
  c = config::load_config("", {"evaluate.metrics=[ct]", "evaluate.ct.cells=1", "evaluate.batch=20"}, whole).evaluate;
  const metrics::MetricContext context{world(), c};
  const metrics::EvaluationSet training = set_of_rows(sets.training, "training");
  const metrics::Reference reference =
      metrics::prepare_reference(context, set_of_rows(sets.real.narrow(0, 0, 130), "real"), &training);
  const Json ct = metrics::metrics_of(context, set_of_rows(sets.fake, "fake"), reference)["ct"];
  EXPECT_EQ(ct["cells"], 1);
  EXPECT_NEAR(ct["value"].get<double>(), expected["ct"].get<double>(), 1e-9);
}

TEST(MoreMetrics, SameAtEveryRankCount) {
  const metrics::EvaluationSet fake = points(530, 1, 0.3), real = points(610, 2, 0), training = points(410, 3, 0);
  dist::Communicator one = alone();
  const Json expected = metrics_of_sets(one, asked, fake, real, &training);
  const Json together = metrics_of_sets(world(), asked, fake, real, &training);
  expect_same(expected, together, "metrics");
  EXPECT_GE(expected.size(), 12u);
  for (const auto& [name, value] : expected.items()) EXPECT_FALSE(value.is_null()) << name;
  for (const char* count : {"improved_precision", "improved_recall", "clipped_density", "clipped_coverage",
                            "authenticity", "mind"})  // counts, and sums of fixed order
    EXPECT_EQ(expected[count].get<double>(), together[count].get<double>()) << count;
}

// Projections of whole sets on the same directions, in one piece.
TEST(MoreMetrics, MindEqualsItsFormula) {
  const int64_t n = 400, features = 6, directions = 1000;
  const metrics::EvaluationSet fake = points(n, 1, 0.3), real = points(610, 2, 0);
  const at::Tensor x = fake.read({0, n})[0].samples.to(at::kDouble), y = real.read({0, n})[0].samples.to(at::kDouble);
  at::Tensor u = tensor::Noise{0x6D696E64}.normal({0, directions}, features, 0, Stream::projection).to(at::kDouble);
  u = u / u.norm(2, 1, true);
  const at::Tensor a = std::get<0>(at::mm(x, u.t()).sort(0)), b = std::get<0>(at::mm(y, u.t()).sort(0));
  const double expected = 3.0 * features / static_cast<double>(n * directions) * (a - b).square().sum().item<double>();
  const Json metrics = metrics_of_sets(world(), {"mind"}, fake, real);
  EXPECT_NEAR(metrics["mind"].get<double>(), expected, 1e-9 * expected);
  EXPECT_GT(metrics["mind_std"].get<double>(), 0);
}

TEST(MoreMetrics, MindOfAShiftIsThreeTimesItsSquare) {
  const metrics::EvaluationSet real = points(500, 2, 0), moved = points(500, 2, 0.5);
  const Json metrics = metrics_of_sets(world(), {"mind"}, moved, real);
  const double square = 6 * 0.25, error = metrics["mind_std"];
  EXPECT_NEAR(metrics["mind"].get<double>(), 3 * square, 4 * error);
  EXPECT_LT(error, 0.2);
  EXPECT_EQ(metrics_of_sets(world(), {"mind"}, real, real)["mind"].get<double>(), 0);
}

TEST(MoreMetrics, VendiCountsDirections) {
  const at::Tensor rows = at::eye(5, at::kFloat).repeat({40, 1}) * at::arange(1, 201, at::kFloat).unsqueeze(1);
  EXPECT_NEAR(metrics_of_sets(world(), {"vendi"}, set_of_rows(rows, "five"), points(20, 1, 0))["vendi"].get<double>(),
              5, 1e-9);
  at::Tensor empty = rows.clone();
  empty[7].zero_();
  const Json none = metrics_of_sets(world(), {"vendi"}, set_of_rows(empty, "five"), points(20, 1, 0));
  EXPECT_TRUE(none["vendi"].is_null());
  EXPECT_NE(none["vendi_why"].get<std::string>().find("1 samples of five"), std::string::npos);
}

// Scores are shares: so many good samples among others that lie nowhere near.
TEST(MoreMetrics, ClippedScoresAreSharesOfGoodSamples) {
  for (const double good : {0.3, 0.7, 1.0}) {
    metrics::EvaluationSet fake = points(2000, 1, 0);
    fake.read = [read = fake.read, good](IdRange ids) {
      std::vector<metrics::Piece> pieces = read(ids);
      const at::Tensor bad = at::arange(ids.begin, ids.end).remainder(10).ge(std::lround(10 * good));
      pieces[0].samples = pieces[0].samples + 1000 * bad.to(at::kFloat).unsqueeze(1);
      return pieces;
    };
    const Json metrics = metrics_of_sets(world(), {"clipped"}, fake, points(2000, 2, 0));
    EXPECT_NEAR(metrics["clipped_density"].get<double>(), good, 0.04);
    EXPECT_NEAR(metrics["clipped_coverage"].get<double>(), good, 0.06);
  }
  EXPECT_EQ(metrics::good_share_of_coverage(0, 100, 50, 5), 0);
  EXPECT_EQ(metrics::good_share_of_coverage(1, 100, 50, 5), 1);
  EXPECT_EQ(metrics::expected_coverage(100, 0, 5), 0);
  for (const int64_t some : {1, 7, 50})
    EXPECT_NEAR(metrics::good_share_of_coverage(metrics::expected_coverage(100, some, 5), 100, 50, 5),
                static_cast<double>(some) / 50, 1e-9);
}

TEST(MoreMetrics, CopiesOfTheTrainingSetAreFound) {
  const metrics::EvaluationSet training = points(600, 3, 0), real = points(500, 2, 0);
  metrics::EvaluationSet copies = training;
  copies.read = [read = training.read](IdRange ids) {
    std::vector<metrics::Piece> pieces = read(ids);
    pieces[0].samples = pieces[0].samples + 1e-3;
    return pieces;
  };
  const Json copied = metrics_of_sets(world(), {"authenticity", "ct"}, copies, real, &training);
  EXPECT_EQ(copied["authenticity"].get<double>(), 0);
  EXPECT_LT(copied["ct"]["value"].get<double>(), -10);
  EXPECT_LT(metrics_of_sets(world(), {"fld"}, copies, real, &training)["fld"]["gap"].get<double>(), -20);
  const Json fresh_fld = metrics_of_sets(world(), {"fld"}, points(550, 1, 0), real, &training)["fld"];
  EXPECT_GT(fresh_fld["gap"].get<double>(), -12);  // the fit itself costs some
  EXPECT_LT(std::abs(fresh_fld["value"].get<double>()), 10);
  const Json fresh = metrics_of_sets(world(), {"authenticity", "ct"}, points(550, 1, 0), real, &training);
  EXPECT_GT(fresh["authenticity"].get<double>(), 0.4);
  EXPECT_LT(std::abs(fresh["ct"]["value"].get<double>()), 3.5);
  const Json far = metrics_of_sets(world(), {"authenticity", "ct"}, points(550, 1, 2), real, &training);
  EXPECT_GT(far["ct"]["value"].get<double>(), 5);
}

TEST(MoreMetrics, CellsAreTheClusters) {
  const at::Tensor noise = tensor::Noise{5}.normal({0, 300}, 2, 0, Stream::prior).to(at::kDouble);
  const at::Tensor label = at::arange(300).remainder(3);
  const at::Tensor points = noise * 0.1 + label.unsqueeze(1) * 5;
  const at::Tensor cells = tensor::nearest_centre(points, metrics::k_means(points, 3));
  EXPECT_TRUE(at::equal(cells, cells.narrow(0, 0, 3).repeat({100})));
  EXPECT_EQ(std::get<0>(at::_unique(cells.narrow(0, 0, 3))).numel(), 3);
  const at::Tensor one = at::ones({4, 2}, at::kDouble);
  EXPECT_TRUE(at::equal(metrics::k_means(one, 3), at::ones({3, 2}, at::kDouble)));
  // Variances 1, 4, 9: the components are the axes.
  const metrics::GaussianStatistics statistics{10, at::ones({3}, at::kDouble),
                                               at::diag(at::tensor({1.0, 4.0, 9.0}, at::kDouble))};
  const at::Tensor mapped =
      metrics::principal_components(statistics, 2).of(at::tensor({5.0F, 3.0F, 4.0F}).view({1, 3}));
  EXPECT_TRUE(at::allclose(mapped.abs(), at::tensor({2.0, 3.0}, at::kDouble).view({1, 2})));
}

TEST(MoreMetrics, MannWhitneyOfFew) {
  const at::Tensor a = at::tensor({1.0, 3.0, 5.0}), b = at::tensor({2.0, 3.0});
  // Larger: 3 > 2, 5 > 2, 5 > 3; one tie: U = 3.5 of 6.
  EXPECT_NEAR(metrics::mann_whitney_z(a, b), 0.5 / std::sqrt(6.0 * 6 / 12), 1e-12);
  EXPECT_EQ(metrics::mann_whitney_z(b, b), 0);
}

void expect_why(const Json& metrics, const std::string& name, const std::string& part) {
  ASSERT_TRUE(metrics.contains(name)) << name;
  EXPECT_TRUE(metrics[name].is_null()) << name << ": " << metrics[name];
  ASSERT_TRUE(metrics.contains(name + "_why")) << name;
  EXPECT_NE(metrics[name + "_why"].get<std::string>().find(part), std::string::npos) << metrics[name + "_why"];
}

// A null with its reason, and no crash, whatever is missing.
TEST(MoreMetrics, WhatCannotBeHadSaysWhy) {
  const metrics::EvaluationSet some = points(100, 1, 0), real = points(120, 2, 0), training = points(90, 3, 0);
  Json metrics = metrics_of_sets(world(), asked, some, real);
  for (const char* name : {"authenticity", "ct", "fld"}) expect_why(metrics, name, "no training set is given");

  metrics::EvaluationSet itself = training;
  itself.training = true;
  metrics = metrics_of_sets(world(), asked, itself, real, &training);
  for (const char* name : {"authenticity", "ct", "fld"}) expect_why(metrics, name, "is the training set");
  metrics = metrics_of_sets(world(), asked, some, itself, &training);
  expect_why(metrics, "ct", "the reference is the training set");
  EXPECT_TRUE(metrics["authenticity"].is_number());

  metrics = metrics_of_sets(world(), asked, points(3, 1, 0), real, &training);
  for (const char* name : {"improved_precision", "improved_recall", "probabilistic_recall"})
    expect_why(metrics, name, "no more than k");
  expect_why(metrics, "ct", "no cell holds more than 20 samples");
  for (const char* name : {"mind", "vendi", "cmmd", "clipped_coverage", "authenticity"})
    EXPECT_TRUE(metrics[name].is_number()) << name;
  expect_why(metrics_of_sets(world(), asked, some, points(4, 2, 0)), "clipped_density", "no more than k = 5");

  const metrics::EvaluationSet equal = set_of_rows(at::ones({50, 6}, at::kFloat), "equals");
  metrics = metrics_of_sets(world(), asked, equal, equal, &equal);
  for (const char* name : {"probabilistic_precision", "probabilistic_recall"}) expect_why(metrics, name, "radius 0");
  for (const char* name : {"mind", "cmmd", "ct"}) {
    const Json& value = metrics[name].is_object() ? metrics[name]["value"] : metrics[name];
    EXPECT_EQ(value.get<double>(), 0) << name;
  }
  EXPECT_EQ(metrics["improved_precision"], 1.0);  // on the rim
  EXPECT_NEAR(metrics["vendi"].get<double>(), 1, 1e-9);
}

TEST(MoreMetrics, SamplesThatAreNoNumbersSayWhy) {
  const metrics::EvaluationSet some = points(100, 1, 0), real = points(120, 2, 0), training = points(90, 3, 0);
  at::Tensor broken = at::ones({50, 6}, at::kFloat);
  broken[20][3] = NAN;
  const metrics::EvaluationSet nans = set_of_rows(broken, "broken");
  const std::string finite = "broken has features that are not finite";
  const Json metrics = metrics_of_sets(world(), asked, nans, real, &training);
  for (const auto& [name, value] : metrics.items())
    if (!name.ends_with("_why")) expect_why(metrics, name, finite);
  expect_why(metrics_of_sets(world(), asked, some, nans, &training), "ct", finite);
  expect_why(metrics_of_sets(world(), asked, some, real, &nans), "authenticity", finite);
}

TEST(MoreMetrics, StatisticsAloneSayWhy) {
  const metrics::EvaluationSet some = points(100, 1, 0), real = points(120, 2, 0), training = points(90, 3, 0);
  metrics::EvaluationSet statistics;
  statistics.name = "sums";
  statistics.sample_shape = {6};
  statistics.statistics = metrics::GaussianStatistics{500, at::zeros({6}, at::kDouble), at::eye(6, at::kDouble)};
  Json metrics = metrics_of_sets(world(), asked, statistics, real, &training);
  for (const auto& [name, value] : metrics.items())
    if (!name.ends_with("_why")) expect_why(metrics, name, "sums holds statistics only");
  metrics = metrics_of_sets(world(), asked, some, statistics, &training);
  for (const char* name : {"mind", "cmmd", "clipped_density", "improved_recall", "ct"})
    expect_why(metrics, name, "sums holds statistics only");
  EXPECT_TRUE(metrics["vendi"].is_number());
  EXPECT_TRUE(metrics["authenticity"].is_number());
  expect_why(metrics_of_sets(world(), asked, some, real, &statistics), "ct", "statistics only");
}

}  // namespace
}  // namespace ddls
