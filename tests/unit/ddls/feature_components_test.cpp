#include "ddls/feature_components.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "ddls/methods/ula.hpp"
#include "ddls/sample_store.hpp"
#include "ddls/sampler.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "unit/models/published_models.hpp"

namespace ddls::sampling::feature_components_test {
namespace {

// Rows that vary by 5 along (3, -4) / 5, by 1 along (4, 3) / 5, not at all along the third axis, about (10, 20, 30).
at::Tensor plane_of(int64_t n) {
  const at::Tensor noise = tensor::Noise{5}.normal({0, n}, 2, 0, Stream::prior) * at::tensor({5.0F, 1.0F});
  return at::mm(noise, at::tensor({3.0F, -4.0F, 0.0F, 4.0F, 3.0F, 0.0F}).view({2, 3}) / 5) +
         at::tensor({10.0F, 20.0F, 30.0F});
}

TEST(FeatureComponents, FindTheDirectionsOfMostVariance) {
  const at::Tensor rows = plane_of(4000);
  const FeatureComponents c = principal_components(rows, 4);
  ASSERT_EQ(c.count(), 2);  // the third axis does not vary
  EXPECT_TRUE(at::allclose(c.directions, at::tensor({-0.6F, 0.8F, 0.8F, 0.6F, 0.0F, 0.0F}).view({3, 2}), 0, 0.02))
      << c.directions;
  const at::Tensor along = c.of(rows);
  EXPECT_TRUE(at::allclose(along.mean(0), at::zeros({2}), 0, 1e-3));
  EXPECT_TRUE(at::allclose(along.std(0), at::tensor({5.0F, 1.0F}), 0.05));
  EXPECT_EQ(principal_components(rows, 1).count(), 1);
  EXPECT_EQ(principal_components(at::ones({8, 3}), 4).count(), 0);
}

// Against eigenvectors of the covariance; fewer rows than features.
TEST(FeatureComponents, AreEigenvectorsOfTheCovariance) {
  const at::Tensor rows = tensor::Noise{6}.normal({0, 12}, 30, 0, Stream::prior);
  const FeatureComponents c = principal_components(rows, 4);
  ASSERT_EQ(c.count(), 4);
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(at::cov(rows.t().to(at::kDouble)))).narrow(1, 26, 4).flip(1);
  const at::Tensor overlap = at::mm(vectors.t(), c.directions.to(at::kDouble)).abs();
  EXPECT_TRUE(at::allclose(overlap, at::eye(4, at::kDouble), 0, 1e-5)) << overlap;
}

config::ModelConfig small_resnet() {
  config::ModelConfig m = test::sn_resnet({32, 16, 16}, {8, 16, 16}, 2, 4);
  m.latent_dim = 12;
  return m;
}

Target target_of_networks() {
  const auto network = [](models::Role role) { return models::make_network(small_resnet(), role, {3, 16, 16}, 3); };
  Target target = make_target(network(models::Role::generator), network(models::Role::ratio), 12, at::kCPU);
  target.labels_of = [](IdRange ids) { return at::arange(ids.begin, ids.end, at::kLong).remainder(4); };
  return target;
}

// What the recorder writes is the projection of the ratio's own features at the chains' samples, in whichever block.
TEST(FeatureComponents, AreFollowedAlongTheChains) {
  const Target target = target_of_networks();
  const tensor::Noise noise{9};
  const std::optional<FeatureComponents> components = feature_components(target, noise);
  ASSERT_TRUE(components);
  ASSERT_EQ(components->count(), most_components);
  RecordPlan plan{.records = {0, 2, 3}, .snapshots = {}, .diagnosed = 7, .components = components};
  const Method method = ula({.steps = 3, .step_size = 0.05, .noise_std = 0.1}, target, noise);
  const BlockPlan blocks{10, 5};
  const BlockResult first = *run_block(method, target, noise, blocks.block(0), plan),
                    second = *run_block(method, target, noise, blocks.block(1), plan);
  ASSERT_EQ(first.traces.sizes(), (std::vector<int64_t>{3, 5, fewest_trace_columns + most_components}));
  ASSERT_EQ(second.traces.sizes(), (std::vector<int64_t>{3, 2, fewest_trace_columns + most_components}));

  const models::NetworkPtr ratio = models::make_network(small_resnet(), models::Role::ratio, {3, 16, 16}, 3);
  ratio->eval();
  at::NoGradGuard no_grad;
  const auto expect_last = [&](const BlockResult& block, IdRange ids) {
    const at::Tensor labels = target.labels_of(ids);
    const at::Tensor features = ratio->features(target.decode(block.latents, labels), labels);
    const at::Tensor along =
        at::mm(features - components->mean, components->directions).narrow(0, 0, block.traces.size(1));
    EXPECT_TRUE(at::allclose(block.traces[2].narrow(1, fewest_trace_columns, most_components), along, 1e-4, 1e-5));
  };
  expect_last(first, {0, 5});
  expect_last(second, {5, 10});
}

TEST(FeatureComponents, AreLeftOutWhereNobodyKnowsFeatures) {
  Target target = target_of_networks();
  target.features_by = {};
  EXPECT_FALSE(feature_components(target, tensor::Noise{9}));
  const RecordPlan plan{.records = {0, 1}, .snapshots = {}, .diagnosed = 2};
  const Method method = ula({.steps = 1, .step_size = 0.05, .noise_std = 0.1}, target, tensor::Noise{9});
  EXPECT_EQ(run_block(method, target, tensor::Noise{9}, BlockPlan{2, 2}.block(0), plan)->traces.size(2),
            fewest_trace_columns);
}

}  // namespace
}  // namespace ddls::sampling::feature_components_test
