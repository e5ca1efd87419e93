// Metrics are the same for every rank count: each rank evaluates alone on MPI_COMM_SELF and together with all.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <mpi.h>

#include <thread>

#include "base/files.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/stop_signal.hpp"
#include "dist/failure.hpp"
#include "expect_says.hpp"
#include "metrics/extract_set.hpp"
#include "metrics/entries/kid.hpp"
#include "metrics/entries/prdc.hpp"
#include "metrics/frechet_metrics.hpp"
#include "metrics/set_metrics.hpp"
#include "mpi/metric_points.hpp"
#include "mpi/world.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "tensor/noise.hpp"
#include "tensor/npz.hpp"
#include "unit/metrics/idle_metric.hpp"

namespace ddls {
namespace {

Json metrics_on(dist::Communicator& comm) {
  const config::EvaluateConfig c = every_metric();
  const metrics::MetricContext context{comm, c};
  return metrics::metrics_of(context, points(530, 1, 0.3), metrics::prepare_reference(context, points(610, 2, 0)));
}

TEST(Evaluation, SameMetricsAtEveryRankCount) {
  dist::Communicator one = alone();
  const auto expected = metrics_on(one), together = metrics_on(world());
  const auto near = [&](const double a, const double b) { EXPECT_NEAR(a, b, 1e-9 * std::abs(a)); };
  near(expected["frechet_distance"], together["frechet_distance"]);
  for (const char* name : {"unbiased", "subsets_mean", "subsets_std"})
    near(expected["kid"][name], together["kid"][name]);
  for (const char* name : {"precision", "recall", "density", "coverage"})
    EXPECT_EQ(expected[name].get<double>(), together[name].get<double>()) << name;
  EXPECT_GT(expected["frechet_distance"].get<double>(), 0.3);  // 6 features moved by 0.3: 0.54, and bias
  EXPECT_LT(expected["frechet_distance"].get<double>(), 0.8);
  EXPECT_GT(expected["kid"]["unbiased"].get<double>(), 0);
}

TEST(Evaluation, FewerSamplesThanRanksAndMetricsThatCannotBeHad) {
  config::EvaluateConfig c = every_metric();
  c.batch = 400;
  const metrics::MetricContext context{world(), c};
  const metrics::Reference reference = metrics::prepare_reference(context, points(50, 2, 0));
  const auto metrics = metrics::metrics_of(context, points(3, 1, 0), reference);
  EXPECT_TRUE(metrics["frechet_distance"].is_number());
  EXPECT_TRUE(metrics["precision"].is_null());
  EXPECT_FALSE(metrics["precision_why"].get<std::string>().empty());
  EXPECT_TRUE(metrics["kid"]["unbiased"].is_number());
  EXPECT_THROW(metrics::metrics_of(context, points(1, 1, 0), reference), dist::CollectiveError);
}

TEST(Evaluation, ASetAgainstItself) {
  const config::EvaluateConfig c = every_metric();
  const metrics::MetricContext context{world(), c};
  const metrics::EvaluationSet set = points(530, 1, 5);
  const auto metrics = metrics::metrics_of(context, set, metrics::prepare_reference(context, set));
  EXPECT_NEAR(metrics["frechet_distance"].get<double>(), 0, 1e-9);
  // Every sample lies on a point of the other set, and inside its ball.
  EXPECT_EQ(metrics["precision"].get<double>(), 1);
  EXPECT_EQ(metrics["recall"].get<double>(), 1);
  EXPECT_EQ(metrics["coverage"].get<double>(), 1);
  EXPECT_EQ(metrics["density"].get<double>(), 1);  // itself and its k - 1 nearest; the k-th lies on the rim: strict
}

// The record says what was done: sizes that the sets allowed, and nothing of metrics that could not be had.
TEST(Evaluation, SizesThatWereUsed) {
  config::EvaluateConfig c = every_metric();
  const metrics::MetricContext context{world(), c};
  const auto record = [&](int64_t fakes, int64_t reals) {
    const metrics::Reference reference = metrics::prepare_reference(context, points(reals, 2, 0));
    const auto metrics = metrics::metrics_of(context, points(fakes, 1, 0), reference);
    return std::pair(metrics["kid"], metrics::protocol_of(context, metrics, fakes, reference));
  };
  set(c, {7, 1000}, {3, 50});
  auto [kid, protocol] = record(40, 60);
  EXPECT_EQ(kid["subset_size"], 40);
  EXPECT_EQ(kid["subsets"], 7);
  EXPECT_GT(kid["subsets_std"].get<double>(), 0);  // subsets of the 60 differ
  EXPECT_EQ(protocol["kid"]["subset_size"], 40);
  EXPECT_EQ(protocol["prdc"]["count"], 40);
  EXPECT_EQ(protocol["prdc"]["reference_count"], 50);

  kid = record(40, 40).first;  // one subset is possible: its spread would be rounding
  EXPECT_TRUE(kid["subsets_std"].is_null());
  EXPECT_NE(kid["subsets_std_why"].get<std::string>().find("40 samples"), std::string::npos);
  EXPECT_TRUE(kid["subsets_mean"].is_number());

  set(c, {1, 1000}, {3, 50});
  kid = record(60, 70).first;
  EXPECT_TRUE(kid["subsets_std"].is_null());

  protocol = record(3, 60).second;
  EXPECT_FALSE(protocol.contains("prdc"));
  EXPECT_FALSE(protocol.contains("inception_splits"));
  EXPECT_EQ(protocol["covariance_divisor"], "n - 1");
}

// Images of 4 x 4 whose first pixels are features and logits.
metrics::EvaluationSet labelled_images(int64_t count, uint64_t seed) {
  data::Dataset data;
  data.name = fmt::format("images {}", seed);
  data.samples = (tensor::Noise{seed}.normal({0, count}, 16, 0, Stream::prior) * 40 + 128)
                     .clamp(0, 255)
                     .to(at::kByte)
                     .view({count, 1, 4, 4});
  data.labels = at::arange(count).remainder(3);
  return metrics::set_of(data);
}

metrics::Extractor first_pixels() {
  metrics::Extractor extractor;
  extractor.features = 5;
  extractor.classes = 3;
  extractor.run = [](const at::Tensor& images, bool logits) {
    const at::Tensor pixels = images.flatten(1).to(at::kFloat) / 64;
    return metrics::Features{pixels.narrow(1, 0, 5), logits ? pixels.narrow(1, 5, 3) : at::Tensor()};
  };
  return extractor;
}

// Whatever the registry lists writes the keys of its entry, and no other; alone, too, beside what it brings.
TEST(Evaluation, EveryMetricWritesItsKeys) {
  const std::vector<metrics::Metric> all = test::with_idle_metric();
  const metrics::Extractor extractor = first_pixels();
  for (const metrics::Metric& metric : all) {
    if (metric.unasked) continue;
    config::EvaluateConfig c = every_metric();
    metrics::add_metrics(c, all);
    c.metrics = {metric.name};
    const metrics::MetricContext context{world(), c, &extractor, false, all};
    std::set<std::string> known;
    for (const metrics::Metric* one : context.wanted())
      for (const metrics::MetricKey& key : one->keys) known.insert(key.path);
    const metrics::EvaluationSet training = labelled_images(180, 3);
    const metrics::Reference reference = metrics::prepare_reference(context, labelled_images(200, 2), &training);
    const auto metrics = metrics::metrics_of(context, labelled_images(150, 1), reference);
    for (const metrics::MetricKey& key : metric.keys) {
      std::string path = "/" + key.path;
      std::replace(path.begin(), path.end(), '.', '/');
      EXPECT_TRUE(key.optional || metrics.contains(Json::json_pointer(path))) << key.path;
    }
    for (const auto& [name, value] : metrics.items()) {
      EXPECT_TRUE(known.contains(name)) << name << " is no key of " << metric.name;
      EXPECT_FALSE(value.is_null()) << name;
      if (!value.is_object()) continue;
      for (const auto& [inner, ignored] : value.items()) EXPECT_TRUE(known.contains(name + "." + inner)) << inner;
    }
    const auto protocol = metrics::protocol_of(context, metrics, 150, reference);
    for (const metrics::MetricKey& key : metric.protocol_keys)
      EXPECT_TRUE(protocol.contains(key.path.substr(0, key.path.find('.')))) << key.path;
  }
}

TEST(Evaluation, WhatAMetricLacksIsTheReason) {
  const metrics::Extractor extractor = first_pixels();
  config::EvaluateConfig c = every_metric();
  const auto reasons = [&](const metrics::EvaluationSet& fake, const metrics::EvaluationSet& real) {
    c.metrics.clear();
    for (const config::MetricConfig& metric : c.known) c.metrics.push_back(metric.name);
    const metrics::MetricContext context{world(), c, &extractor};
    return metrics::metrics_of(context, fake, metrics::prepare_reference(context, real));
  };
  metrics::EvaluationSet statistics;
  statistics.name = "sums";
  statistics.statistics = metrics::GaussianStatistics{500, at::zeros({5}, at::kDouble), at::eye(5, at::kDouble)};
  const auto without_real = reasons(labelled_images(150, 1), statistics);
  for (const char* name : {"frechet_distance", "fid_infinity", "inception_score", "is_infinity"})
    EXPECT_FALSE(without_real[name].is_null()) << name;
  for (const std::string name : {"kid", "precision", "coverage", "intra_fid"})
    EXPECT_EQ(without_real[name + "_why"], "sums holds statistics only") << name;
  const auto without_fake = reasons(statistics, labelled_images(150, 1));
  EXPECT_TRUE(without_fake["frechet_distance"].is_number());
  for (const std::string name : {"frechet_distance_std", "inception_score", "kid", "recall"})
    EXPECT_EQ(without_fake[name + "_why"], "sums holds statistics only") << name;
  metrics::EvaluationSet unlabelled = labelled_images(150, 1);
  unlabelled.labels = at::Tensor();
  EXPECT_EQ(reasons(unlabelled, labelled_images(150, 2))["intra_fid_why"], "images 1 has no labels");
}

TEST(Evaluation, BallsWithoutARadiusSayWhy) {
  const config::EvaluateConfig c = every_metric();
  const metrics::MetricContext context{world(), c};
  const auto equals = [](int64_t count) {  // every point ten times
    metrics::EvaluationSet set = points(count, 1, 0);
    set.read = [read = set.read, count](IdRange ids) {
      const at::Tensor all = read({0, count / 10}).at(0).samples.repeat({10, 1});
      return std::vector<metrics::Piece>{
          {metrics::all_rows(ids.size()), all.narrow(0, ids.begin, ids.size()).contiguous()}};
    };
    return set;
  };
  auto metrics = metrics::metrics_of(context, points(100, 3, 0), metrics::prepare_reference(context, equals(100)));
  for (const std::string name : {"precision", "density", "coverage"}) {
    EXPECT_TRUE(metrics[name].is_null()) << name;
    EXPECT_NE(metrics[name + "_why"].get<std::string>().find("3 equals"), std::string::npos) << name;
  }
  EXPECT_TRUE(metrics["recall"].is_number());
  metrics = metrics::metrics_of(context, equals(100), metrics::prepare_reference(context, points(100, 3, 0)));
  EXPECT_TRUE(metrics["recall"].is_null());
  for (const char* name : {"precision", "density", "coverage"}) EXPECT_TRUE(metrics[name].is_number()) << name;
}

TEST(Evaluation, NoSpreadOfNoSamples) {
  config::EvaluateConfig c = every_metric();
  c.metrics = {"fid"};
  const metrics::MetricContext context{world(), c, nullptr, /*gaussians25=*/true};
  data::Dataset data;
  data.samples = at::full({30, 2}, 50.0, at::kFloat) + tensor::Noise{1}.normal({0, 30}, 2, 0, Stream::prior);
  const auto metrics =
      metrics::metrics_of(context, metrics::set_of(data), metrics::prepare_reference(context, metrics::set_of(data)));
  EXPECT_EQ(metrics["modes_recovered"], 0);
  for (const std::string name : {"high_quality_std", "high_quality_radial", "mass_total_variation", "mass_chi2"}) {
    EXPECT_TRUE(metrics[name].is_null()) << name;
    EXPECT_TRUE(metrics.contains(name + "_why")) << name;
  }
  EXPECT_GT(metrics["mass_total_variation_all"].get<double>(), 0.9);
}

TEST(Evaluation, EveryPairOfBlocksOnce) {
  metrics::FeatureBlocks set;
  set.plan = {95, 10};
  set.count = 87;  // the last block is cut
  set.features = 1;
  for (const Block& block : set.plan.blocks_of(world().rank(), world().ranks())) {
    if (set.own.empty()) set.first_own = block.index;
    set.own.push_back(at::arange(block.ids.begin, block.ids.end, at::kFloat).unsqueeze(1));
  }
  for (const metrics::Pairs pairs : {metrics::Pairs::all, metrics::Pairs::unordered}) {
    at::Tensor seen = at::zeros({87, 87}, at::kLong);
    metrics::for_each_pair(world(), set, set, pairs, [&](const metrics::BlockOfRows& a, const metrics::BlockOfRows& b) {
      const at::Tensor i = a.rows.squeeze(1).to(at::kLong), j = b.rows.squeeze(1).to(at::kLong);
      seen.index_put_({i.unsqueeze(1), j.unsqueeze(0)}, at::ones({1}, at::kLong), true);
      if (pairs == metrics::Pairs::unordered && a.block != b.block)
        seen.index_put_({j.unsqueeze(1), i.unsqueeze(0)}, at::ones({1}, at::kLong), true);
    });
    world().all_reduce(seen);
    EXPECT_TRUE(seen.eq(1).all().item<bool>());
  }
  const at::Tensor ids = at::tensor({3, 86, 0, 41, 41}, at::kLong);
  EXPECT_TRUE(at::equal(metrics::gather_rows_by_id(world(), set, ids).squeeze(1), ids.to(at::kFloat)));
}

TEST(Evaluation, AFolderOfUnlikeImagesKeepsTheOrderOfItsFiles) {
  const test::ScratchFolder scratch;
  for (int64_t i = 0; i < 30; ++i)  // grey among colour, three sizes
    write_file(scratch.path() / fmt::format("{:02}.png", i),
               tensor::encode_png(at::full({i % 2 == 0 ? 1 : 3, 4 + i % 3, 5}, i, at::kByte)));
  const metrics::EvaluationSet set = metrics::open_evaluation_set(scratch.path().string());
  EXPECT_EQ(set.count, 30);
  metrics::Extractor extractor;
  extractor.features = 2;
  extractor.classes = 1;
  extractor.run = [](const at::Tensor& images, bool logits) {
    const at::Tensor value = images.select(1, 0).select(1, 0).select(1, 0).to(at::kFloat).unsqueeze(1);
    EXPECT_EQ(images.size(0), 4);  // always full batches
    return metrics::Features{at::cat({value, at::full_like(value, static_cast<double>(images.size(2)))}, 1),
                             logits ? value : at::Tensor()};
  };
  metrics::ExtractOptions options;
  options.extractor = &extractor;
  options.batch = 4;
  options.keep = 30;
  const metrics::SetFeatures features = metrics::extract_set(world(), set, options);
  const at::Tensor rows = metrics::gather_rows_by_id(world(), features.rows, at::arange(30));
  EXPECT_TRUE(at::equal(rows.select(1, 0), at::arange(30).to(at::kFloat)));
  EXPECT_TRUE(at::equal(rows.select(1, 1), at::arange(30).remainder(3).to(at::kFloat) + 4));
  EXPECT_NEAR(features.gaussian.mean[0].item<double>(), 14.5, 1e-12);
}

TEST(Evaluation, AnNpzReadInPiecesIsTheSetInMemory) {
  const test::ScratchFolder scratch;
  const at::Tensor images = at::arange(2500 * 12).remainder(251).to(at::kByte).view({2500, 2, 2, 3});
  tensor::write_npz(scratch.path() / "a.npz", {{"arr_0", images}, {"arr_1", at::arange(2500)}});
  const metrics::EvaluationSet read = metrics::open_evaluation_set((scratch.path() / "a.npz").string());
  const metrics::EvaluationSet held = metrics::set_of(data::open_set((scratch.path() / "a.npz").string()));
  EXPECT_EQ(read.name, "a");
  EXPECT_EQ(read.count, held.count);
  EXPECT_EQ(read.images, held.images);
  EXPECT_EQ(read.sample_shape, held.sample_shape);
  EXPECT_TRUE(at::equal(read.labels, held.labels));
  EXPECT_EQ(read.content_hash(), held.content_hash());
  EXPECT_TRUE(at::equal(read.read({1000, 1500}).at(0).samples, held.read({1000, 1500}).at(0).samples));
}

TEST(Evaluation, AFileOfSamplesAndStatisticsGivesEachMetricWhatItNeeds) {
  config::EvaluateConfig c = every_metric();
  c.metrics = {"fid", "kid"};
  const metrics::MetricContext context{world(), c};
  const metrics::EvaluationSet fake = points(200, 1, 0);
  metrics::EvaluationSet both = points(300, 2, 0);
  const double of_samples =
      metrics::metrics_of(context, fake, metrics::prepare_reference(context, both))["frechet_distance"];
  both.statistics = metrics::GaussianStatistics{0, at::full({6}, 2, at::kDouble), at::eye(6, at::kDouble)};
  EXPECT_TRUE(metrics::uses_given_statistics(context, both));
  const auto metrics = metrics::metrics_of(context, fake, metrics::prepare_reference(context, both));
  EXPECT_GT(metrics["frechet_distance"].get<double>(), 20);  // 6 features moved by 2: 24
  EXPECT_TRUE(metrics["kid"]["unbiased"].is_number());
  metrics::EvaluationSet alone_too = both;
  alone_too.read = [](IdRange) -> std::vector<metrics::Piece> { fail(Exit::internal, "samples that no metric needs"); };
  c.metrics = {"fid"};
  EXPECT_EQ(metrics::metrics_of(context, fake, metrics::prepare_reference(context, alone_too))["frechet_distance"],
            metrics["frechet_distance"]);
  both.statistics->mean = at::zeros({7}, at::kDouble);  // of another extractor
  EXPECT_FALSE(metrics::uses_given_statistics(context, both));
  EXPECT_EQ(
      metrics::metrics_of(context, fake, metrics::prepare_reference(context, both))["frechet_distance"].get<double>(),
      of_samples);
}

TEST(Evaluation, ASetIsReadWhereItAsksToBe) {
  for (const bool here : {false, true}) {
    metrics::EvaluationSet set = points(600, 1, 0);
    set.on_calling_thread = here;
    set.read = [read = set.read, here, caller = std::this_thread::get_id()](IdRange ids) {
      EXPECT_EQ(std::this_thread::get_id() == caller, here);
      return read(ids);
    };
    metrics::ExtractOptions options;
    options.batch = 20;
    metrics::extract_set(world(), set, options);
  }
}

// Of all ranks, with one code and message.
void expect_end(const metrics::EvaluationSet& set, const metrics::ExtractOptions& options, Exit code,
                const std::string& words) {
  try {
    metrics::extract_set(world(), set, options);
    ADD_FAILURE() << "no error where one was due: " << words;
  } catch (const dist::CollectiveError& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_SAYS(error.what(), words);
  }
}

TEST(Evaluation, ADamagedImageEndsAllRanksWithItsName) {
  metrics::EvaluationSet set = points(600, 1, 0);
  set.read = [read = set.read](IdRange ids) {
    if (ids.begin <= 500 && ids.end > 500) fail(Exit::data, "'b/500.png': truncated");
    return read(ids);
  };
  metrics::ExtractOptions options;
  options.batch = 20;
  expect_end(set, options, Exit::data, "b/500.png");
}

TEST(Evaluation, ASignalEndsItButForWorkThatSaves) {
  const metrics::EvaluationSet set = points(600, 1, 0);
  metrics::ExtractOptions options;
  options.batch = 20;
  if (world().rank() + 1 == world().ranks()) stop_signal::request();  // of one rank, for all
  expect_end(set, options, Exit::stopped, "stopped by a signal");
  {
    const stop_signal::Deferral whole;
    EXPECT_EQ(metrics::extract_set(world(), set, options).count, 600);
  }
  stop_signal::reset();
  EXPECT_EQ(metrics::extract_set(world(), set, options).count, 600);
}

}  // namespace
}  // namespace ddls
