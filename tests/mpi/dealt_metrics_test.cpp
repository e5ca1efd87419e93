// Metrics of many distances, dealt to the ranks.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/json.hpp"
#include "dist/failure.hpp"
#include "metrics/dealt.hpp"
#include "metrics/extract_set.hpp"
#include "metrics/frechet_metrics.hpp"
#include "mpi/metric_points.hpp"
#include "mpi/world.hpp"

namespace ddls {
namespace {

TEST(DealtMetrics, FrechetDistancesOfParts) {
  config::EvaluateConfig c = every_metric();
  c.metrics = {"fid_error", "fid_infinity", "intra_fid"};  // an error brings its distance with it
  const auto labelled = [](int64_t count, uint64_t seed) {
    metrics::EvaluationSet set = points(count, seed, 0);
    set.labels = at::arange(count).remainder(2);
    set.labels[0] = 2;  // one sample of a third class: left out
    return set;
  };
  const auto on = [&](dist::Communicator& comm) {
    const metrics::MetricContext context{comm, c};
    return metrics::metrics_of(context, labelled(530, 1), metrics::prepare_reference(context, labelled(610, 2)));
  };
  dist::Communicator one = alone();
  const auto expected = on(one), together = on(world());
  const auto near = [](double a, double b) { EXPECT_NEAR(a, b, 1e-9 * std::abs(a)); };
  near(expected["frechet_distance_std"], together["frechet_distance_std"]);
  near(expected["fid_infinity"]["value"], together["fid_infinity"]["value"]);
  near(expected["intra_fid"]["mean"], together["intra_fid"]["mean"]);
  EXPECT_EQ(expected["intra_fid"]["left_out"], Json::array({2}));
  EXPECT_EQ(expected["intra_fid"]["classes"], 2);
  // Both sets are of one law: what is left of the distance without the first set's bias is far below the distance.
  EXPECT_LT(expected["fid_infinity"]["value"].get<double>(), 0.8 * expected["frechet_distance"].get<double>());
  EXPECT_GT(expected["fid_infinity"]["slope"].get<double>(), 0);
}

// Costly numbers are spread evenly, the same at any rank count, and what fails on one rank fails on all.
TEST(DealtMetrics, DealtValuesAreComputedOnceEach) {
  const int64_t count = 7, ranks = world().ranks();
  int64_t made = 0, used = 0;
  const auto make = [&](int64_t i) { return ++made, 10 * i; };
  const auto use = [&](int64_t i, int64_t made_of) { return ++used, static_cast<double>(i + made_of) / 3; };
  const std::vector<double> values = metrics::dealt(world(), "", count, make, use);
  ASSERT_EQ(values.size(), 7u);
  for (int64_t i = 0; i < count; ++i) EXPECT_EQ(values[static_cast<size_t>(i)], static_cast<double>(11 * i) / 3);
  EXPECT_EQ(made, count);
  EXPECT_LE(used, (count + ranks - 1) / ranks);
  const auto fails = [](int64_t i, int64_t) {
    if (i == 4) fail(Exit::data, "four");
    return 0.0;
  };
  EXPECT_THROW(metrics::dealt(world(), "", count, make, fails), dist::CollectiveError);
  EXPECT_TRUE(metrics::dealt(world(), "", 0, make, use).empty());
}

// A distance by any rank has the bits of rank 0's.
TEST(DealtMetrics, AFactorIsTheSameOnEveryRank) {
  const metrics::FeatureBlocks rows = [] {
    metrics::ExtractOptions options;
    options.keep = 300;
    return metrics::extract_set(world(), points(300, 4, 0), options).rows;
  }();
  const metrics::GaussianStatistics a = metrics::statistics_where(world(), rows, at::arange(300) < 150, "a");
  const metrics::GaussianStatistics b = metrics::statistics_where(world(), rows, at::arange(300) >= 150, "b");
  const auto of_root = metrics::factor_on_root(world(), b, "b");
  at::Tensor distances = at::zeros({world().ranks()}, at::kDouble);
  distances[world().rank()] = metrics::distance_to(metrics::on_every_rank(world(), of_root), a, "a");
  const double expected = metrics::distance_on_root(world(), a, "a", of_root);
  world().all_reduce(distances);
  EXPECT_TRUE(distances.eq(expected).all().item<bool>()) << distances;
  EXPECT_GT(expected, 0);
}

TEST(DealtMetrics, ClassesAreComparedByName) {
  config::EvaluateConfig c = every_metric();
  c.metrics = {"intra_fid"};
  const metrics::MetricContext context{world(), c};
  const auto labelled = [](int64_t count, uint64_t seed, const std::vector<int64_t>& labels,
                           const data::ClassNames& names) {
    metrics::EvaluationSet set = points(count, seed, 0);
    const at::Tensor cycle = at::arange(count).remainder(static_cast<int64_t>(labels.size()));
    set.labels = at::tensor(labels, at::kLong).index_select(0, cycle);
    set.class_names = names;
    return set;
  };
  // Each class lies where its name says: a distance of 0, unless one class is taken for another.
  const auto placed = [](metrics::EvaluationSet set) {
    set.read = [read = set.read, labels = set.labels, names = set.class_names](IdRange ids) {
      std::vector<metrics::Piece> pieces = read(ids);
      pieces[0].samples = pieces[0].samples.clone();
      for (int64_t i = 0; i < ids.size(); ++i)
        pieces[0].samples[i] += static_cast<double>(data::class_name(names, labels[ids.begin + i].item<int64_t>())[0]);
      return pieces;
    };
    return set;
  };
  const metrics::EvaluationSet fake = placed(labelled(300, 1, {0, 1, 2}, {"cat", "dog", "eel"}));
  const metrics::EvaluationSet real = placed(labelled(300, 1, {0, 1}, {"cat", "eel"}));
  const auto found = metrics::metrics_of(context, fake, metrics::prepare_reference(context, real))["intra_fid"];
  EXPECT_EQ(found["left_out"], Json::array({"dog"}));
  EXPECT_EQ(found["per_class"].size(), 2);
  EXPECT_LT(found["per_class"]["cat"].get<double>(), 1);
  EXPECT_LT(found["per_class"]["eel"].get<double>(), 1);  // dog against eel: 6
  const metrics::EvaluationSet other = labelled(300, 1, {0, 1}, {"fox", "gnu"});
  EXPECT_THROW(metrics::metrics_of(context, fake, metrics::prepare_reference(context, other)), dist::CollectiveError);
  EXPECT_THROW(metrics::match_labels(fake, other), Error);
  EXPECT_FALSE(metrics::match_labels(fake, points(5, 1, 0)));
}

}  // namespace
}  // namespace ddls
