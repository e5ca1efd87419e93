#include "ddls/step_profile.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include <set>

#include "ddls/graph_score.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"

namespace ddls::sampling::step_profile_test {
namespace {

struct Networks {
  config::ModelConfig model;
  models::SampleShape shape;
  models::NetworkPtr generator = models::make_network(model, models::Role::generator, shape, 3),
                     ratio = models::make_network(model, models::Role::ratio, shape, 3);

  GraphScore graph(inference::OperationObserver* observer, int64_t cache_bytes = GraphScore::usual_cache_bytes) const {
    return {*generator->inference_graph(), *ratio->inference_graph(), at::zeros({1, model.latent_dim}), cache_bytes,
            observer};
  }
};

Networks small_resnet() {
  config::ModelConfig m = test::sn_resnet({32, 16, 16}, {8, 16, 16}, 2, 4);
  m.latent_dim = 12;
  return {m, {3, 16, 16}};
}

Networks small_mlp() {
  config::ModelConfig m;
  m.latent_dim = 3;
  m.generator_widths = {24};
  m.ratio_widths = {32};
  return {m, {2}};
}

// Every look at it is a second later.
std::function<double()> ticking() {
  return [now = 0.]() mutable { return now += 1; };
}

GraphScore::Scores step(StepProfile& profile, const GraphScore& graph, const at::Tensor& z,
                        const at::Tensor& labels = {}) {
  profile.begin_step();
  profile.begin_evaluation();
  GraphScore::Scores scores = graph.scores(z, labels);
  profile.end_step();
  return scores;
}

// Of 19 chains in pieces of 8.
TEST(StepProfile, HasTwoRowsForEveryOperationAndAccountsForAllTime) {
  const Networks networks = small_resnet();
  StepProfile profile(ticking());
  const GraphScore graph = networks.graph(&profile, 9 * 16 * 16 * 16 * 4);
  ASSERT_EQ(graph.micro_batch(), 8);
  for (int i = 0; i < 2; ++i) step(profile, graph, at::zeros({19, 12}), at::zeros({19}, at::kLong));
  std::set<std::string> names;
  size_t operations = 0;
  for (const models::NetworkPtr& network : {networks.generator, networks.ratio})
    operations += inference::named(*network->inference_graph(), "").size();
  double seconds = 0, share = 0, flops = 0;
  const std::vector<StepRow> rows = profile.rows();
  for (const StepRow& row : rows) {
    EXPECT_TRUE(names.insert(row.operation + " " + row.pass).second) << row.operation;
    EXPECT_EQ(row.calls, row.pass.empty() ? 1 : 3) << row.operation;
    EXPECT_GT(row.seconds, 0) << row.operation;
    EXPECT_LE(row.flops, row.plain_flops) << row.operation;
    seconds += row.seconds;
    share += row.share;
    flops += row.plain_flops;
  }
  EXPECT_EQ(rows.size(), 2 + 2 * operations);
  EXPECT_EQ(rows[0].operation, "rest");
  EXPECT_EQ(rows[1].operation, "update");
  EXPECT_EQ(seconds, profile.seconds_per_step());
  EXPECT_NEAR(share, 1, 1e-12);
  EXPECT_EQ(flops, 19. * static_cast<double>(models::chain_step_flops(*networks.generator, *networks.ratio,
                                                                      at::zeros({1, 12}), at::zeros({1}, at::kLong))));
}

TEST(StepProfile, ChangesNoByte) {
  const Networks networks = small_resnet();
  const int64_t cache = 9 * 16 * 16 * 16 * 4;
  StepProfile profile(ticking());
  const GraphScore watched = networks.graph(&profile, cache), alone = networks.graph(nullptr, cache);
  const at::Tensor z = tensor::Noise{3}.normal({0, 19}, 12, 0, Stream::prior),
                   labels = at::arange(19, at::kLong).remainder(4);
  const GraphScore::Scores off = alone.scores(z, labels), idle = watched.scores(z, labels),
                           on = step(profile, watched, z, labels);
  for (const GraphScore::Scores& scores : {idle, on}) {
    EXPECT_TRUE(at::equal(scores.log_ratio, off.log_ratio));
    EXPECT_TRUE(at::equal(scores.gradient, off.gradient));
  }
  EXPECT_EQ(profile.steps(), 1);
}

TEST(StepProfile, CountsWorkAndBytesByHand) {
  const Networks networks = small_mlp();
  StepProfile profile(ticking());
  step(profile, networks.graph(&profile), at::ones({10, 3}));
  const std::vector<StepRow> rows = profile.rows();
  ASSERT_EQ(rows.size(), 2 + 2 * 4u);
  const StepRow &forward = rows[2], &vjp = rows[3], &logit = rows[8];
  EXPECT_EQ(forward.operation, "generator.0");
  EXPECT_EQ(forward.pass, "forward");
  EXPECT_EQ(forward.kind, "dense");
  EXPECT_EQ(forward.input, "3");
  EXPECT_EQ(forward.flops, 10 * 2 * 3 * 24);
  EXPECT_EQ(forward.plain_flops, 10 * 2 * 3 * 24);
  EXPECT_EQ(forward.bytes, 4 * (10 * 3 + 3 * 24 + 10 * 24));
  EXPECT_EQ(vjp.operation, "generator.0");
  EXPECT_EQ(vjp.pass, "vjp");
  EXPECT_EQ(vjp.flops, 10 * 2 * 3 * 24);
  EXPECT_EQ(vjp.bytes, 4 * (10 * 24 + 10 * 24 /* recalled */ + 3 * 24 + 10 * 3));
  EXPECT_EQ(logit.operation, "ratio.1");
  EXPECT_EQ(logit.kind, "logit");
  EXPECT_EQ(logit.bytes, 4 * (10 * 32 + 32 + 10));
}

// Steps of update, evaluation in two parts, and what is left.
TEST(StepProfile, TimesAreMediansOverTheSteps) {
  double now = 0;
  StepProfile profile([&] { return now; });
  const size_t part = profile.add_part(
      {.operation = "generator", .pass = "forward", .kind = "network", .algorithm = "autograd", .input = ""});
  for (const double update : {1., 9., 2.}) {
    profile.begin_step();
    now += update;
    profile.begin_evaluation();
    now += 0.5;
    for (const double seconds : {3., 1.}) {
      profile.begin_part(part, 100);
      now += seconds;
      profile.end_part();
    }
    profile.end_step();
    profile.begin_part(part, 100);  // between steps nothing counts
    now += 50;
    profile.end_part();
    profile.begin_evaluation();
  }
  const std::vector<StepRow> rows = profile.rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].seconds, 0.5);
  EXPECT_EQ(rows[1].seconds, 2);
  EXPECT_EQ(rows[part].seconds, 4);
  EXPECT_EQ(rows[part].calls, 2);
  EXPECT_EQ(rows[part].flops, 200);
  EXPECT_EQ(rows[part].share, 4 / 6.5);
  EXPECT_EQ(profile.seconds_per_step(), 6.5);
}

}  // namespace
}  // namespace ddls::sampling::step_profile_test
