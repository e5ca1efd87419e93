#include "ddls/graph_score.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"

namespace ddls::sampling::graph_score_test {
namespace {

config::ModelConfig small_resnet() {
  config::ModelConfig m = test::sn_resnet({32, 16, 16}, {8, 16, 16}, 2, 4);
  m.latent_dim = 12;
  return m;
}

config::ModelConfig small_dcgan() {
  config::ModelConfig m = test::sn_dcgan32();
  m.latent_dim = 12;
  m.generator_widths = {32, 16, 8};
  m.ratio_widths = {8, 16, 32};
  return m;
}

config::ModelConfig small_biggan() {
  config::ModelConfig m = test::biggan(18, {32, 16, 16}, {8, 16, 16}, 2, 8, 4);
  m.embedding_dim = 4;
  return m;
}

GraphScore score_of(const config::ModelConfig& model, int64_t cache_bytes, at::ScalarType type = at::kFloat) {
  const auto graph = [&](models::Role role) {
    const models::NetworkPtr network = models::make_network(model, role, {3, 16, 16}, 3);
    for (auto& item : network->named_parameters())  // of attention, 0 at first
      if (item.key().ends_with("strength")) item.value().detach().fill_(0.5);
    return *network->inference_graph_in(type);
  };
  return {graph(models::Role::generator), graph(models::Role::ratio), at::zeros({1, model.latent_dim}, type),
          cache_bytes};
}

// The largest activations: 16 channels at 16 x 16 pixels, 8 for the DCGAN.
TEST(GraphScore, MicroBatchesFollowFromTheLargestActivation) {
  EXPECT_EQ(score_of(small_resnet(), 9 * 16 * 16 * 16 * 4).micro_batch(), 8);
  EXPECT_EQ(score_of(small_dcgan(), 9 * 16 * 16 * 16 * 4).micro_batch(), 16);
  EXPECT_EQ(score_of(small_resnet(), 1).micro_batch(), 1);
}

// A block is its micro-batches one after the other, to the byte; as a whole it is the same to rounding (kernels of
// other shapes add in other orders).
TEST(GraphScore, ABlockIsItsMicroBatches) {
  at::NoGradGuard no_grad;
  for (const config::ModelConfig& model : {small_resnet(), small_dcgan(), small_biggan()}) {
    const int64_t n = 19;  // 8, 8 and 3; 16 and 3
    const at::Tensor z = tensor::Noise{3}.normal({0, n}, model.latent_dim, 0, Stream::prior);
    const at::Tensor labels = model.classes > 0 ? at::arange(n, at::kLong).remainder(4) : at::Tensor();
    const GraphScore cut = score_of(model, 9 * 16 * 16 * 16 * 4), whole = score_of(model, int64_t{1} << 40);
    ASSERT_LT(cut.micro_batch(), n);
    ASSERT_GT(whole.micro_batch(), n);
    const GraphScore::Scores block = cut.scores(z, labels);
    for (int64_t begin = 0; begin < n; begin += cut.micro_batch()) {
      const int64_t count = std::min(cut.micro_batch(), n - begin);
      const at::Tensor y = labels.defined() ? labels.narrow(0, begin, count) : labels;
      const GraphScore::Scores piece = whole.scores(z.narrow(0, begin, count), y);
      EXPECT_TRUE(at::equal(block.log_ratio.narrow(0, begin, count), piece.log_ratio)) << model.architecture;
      EXPECT_TRUE(at::equal(block.gradient.narrow(0, begin, count), piece.gradient)) << model.architecture;
    }
    EXPECT_TRUE(at::equal(cut.log_ratio(z, labels), block.log_ratio)) << model.architecture;
    const GraphScore::Scores together = whole.scores(z, labels);
    EXPECT_TRUE(at::allclose(block.log_ratio, together.log_ratio, 1e-4, 1e-5)) << model.architecture;
    EXPECT_TRUE(at::allclose(block.gradient, together.gradient, 1e-3, 1e-5)) << model.architecture;
    EXPECT_TRUE(at::allclose(cut.decode(z, labels), whole.decode(z, labels), 1e-4, 1e-5)) << model.architecture;
  }
}

// float32 in, float32 out; in between bfloat16, whose gradient points the same way.
TEST(GraphScore, RoundsToBfloat16) {
  at::NoGradGuard no_grad;
  for (const config::ModelConfig& model : {small_resnet(), small_dcgan(), small_biggan()}) {
    SCOPED_TRACE(model.architecture);
    const int64_t n = 24;
    const at::Tensor z = tensor::Noise{3}.normal({0, n}, model.latent_dim, 0, Stream::prior);
    const at::Tensor labels = model.classes > 0 ? at::arange(n, at::kLong).remainder(4) : at::Tensor();
    const GraphScore rounded = score_of(model, 9 * 16 * 16 * 16 * 4, at::kBFloat16);
    EXPECT_GT(rounded.micro_batch(), score_of(model, 9 * 16 * 16 * 16 * 4).micro_batch());  // half the bytes
    const GraphScore::Scores half = rounded.scores(z, labels),
                             full = score_of(model, int64_t{1} << 40).scores(z, labels);
    EXPECT_EQ(half.log_ratio.scalar_type(), at::kFloat);
    EXPECT_EQ(half.gradient.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(rounded.log_ratio(z, labels), half.log_ratio));
    const double spread = full.log_ratio.std().item<double>();
    EXPECT_LT((half.log_ratio - full.log_ratio).abs().median().item<double>(), 0.05 * spread);
    EXPECT_FALSE(at::equal(half.gradient, full.gradient));
    EXPECT_GT(at::cosine_similarity(half.gradient, full.gradient).median().item<double>(), 0.97);
  }
}

}  // namespace
}  // namespace ddls::sampling::graph_score_test
