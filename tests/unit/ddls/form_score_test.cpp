#include "ddls/form_score.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"

namespace ddls {
namespace {

ModelConfig small_resnet() {
  ModelConfig m = test::sn_resnet({32, 16, 16}, {8, 16, 16}, 2, 4);
  m.latent_dim = 12;
  return m;
}

ModelConfig small_dcgan() {
  ModelConfig m = test::sn_dcgan32();
  m.latent_dim = 12;
  m.generator_widths = {32, 16, 8};
  m.ratio_widths = {8, 16, 32};
  return m;
}

FormScore score_of(const ModelConfig& model, int64_t cache_bytes) {
  const auto form = [&](Role role) { return *make_network(model, role, {3, 16, 16}, 3)->sampling_form(); };
  return {form(Role::generator), form(Role::ratio), at::zeros({1, model.latent_dim}), cache_bytes};
}

// The largest activations: 16 channels at 16 x 16 pixels, 8 for the DCGAN.
TEST(FormScore, MicroBatchesFollowFromTheLargestActivation) {
  EXPECT_EQ(score_of(small_resnet(), 9 * 16 * 16 * 16 * 4).micro_batch(), 8);
  EXPECT_EQ(score_of(small_dcgan(), 9 * 16 * 16 * 16 * 4).micro_batch(), 16);
  EXPECT_EQ(score_of(small_resnet(), 1).micro_batch(), 1);
}

// A chain's bytes do not depend on where in a block its micro-batch lies; a library may sum in another order for another
// number of rows, so against the uncut block there is equality to rounding alone.
TEST(FormScore, MicroBatchesStandAlone) {
  at::NoGradGuard no_grad;
  for (const ModelConfig& model : {small_resnet(), small_dcgan()}) {
    const int64_t n = 24;
    const at::Tensor z = Noise{3}.normal({0, n}, model.latent_dim, 0, Stream::prior);
    const at::Tensor labels = model.classes > 0 ? at::arange(n, at::kLong).remainder(4) : at::Tensor();
    const FormScore cut = score_of(model, 4 * 16 * 16 * 16 * 4), whole = score_of(model, int64_t{1} << 40);
    const int64_t size = cut.micro_batch();
    ASSERT_LT(size, n);
    ASSERT_GT(whole.micro_batch(), n);
    const FormScore::Scores all = cut.scores(z, labels), uncut = whole.scores(z, labels);
    const at::Tensor decoded = cut.decode(z, labels);
    for (int64_t begin = 0; begin < n; begin += size) {
      const auto part = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, begin, size) : t; };
      const FormScore::Scores alone = cut.scores(part(z), part(labels));
      EXPECT_TRUE(at::equal(alone.log_ratio, part(all.log_ratio))) << model.architecture << " from " << begin;
      EXPECT_TRUE(at::equal(alone.gradient, part(all.gradient))) << model.architecture << " from " << begin;
      EXPECT_TRUE(at::equal(cut.decode(part(z), part(labels)), part(decoded))) << model.architecture;
    }
    EXPECT_TRUE(at::equal(cut.log_ratio(z, labels), all.log_ratio)) << model.architecture;
    EXPECT_TRUE(at::allclose(all.log_ratio, uncut.log_ratio, 1e-4, 1e-5)) << model.architecture;
    EXPECT_TRUE(at::allclose(all.gradient, uncut.gradient, 1e-3, 1e-5)) << model.architecture;
    EXPECT_TRUE(at::allclose(decoded, whole.decode(z, labels), 1e-4, 1e-5)) << model.architecture;
  }
}

}  // namespace
}  // namespace ddls
