#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "base/error.hpp"
#include "models/biggan.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"
#include "unit/models/published_models.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::models::architectures_test {
namespace {

at::Tensor latents(int64_t n, int64_t k) {
  return tensor::Noise{1}.normal({0, n}, k, 0, Stream::prior, test::device());
}

struct Counts {
  int64_t generator = 0, discriminator = 0;  // parameters
  double gflop_per_chain_step = 0;
};

Counts count(const config::ModelConfig& config, int64_t side, int64_t channels = 3) {
  const SampleShape image{channels, side, side};
  const NetworkPtr g = test::make_network(config, Role::generator, image, 1);
  const NetworkPtr d = test::make_network(config, Role::discriminator, image, 1);
  const at::Tensor label = config.classes > 0 ? at::zeros({1}, test::there(at::kLong)) : at::Tensor();
  return {parameter_count(*g), parameter_count(*d),
          1e-9 * static_cast<double>(chain_step_flops(*g, *d, latents(1, config.latent_dim), label))};
}

// Parameters by hand from the published layouts.
constexpr int64_t convolution(int64_t from, int64_t to, int64_t kernel) { return from * to * kernel * kernel + to; }
constexpr int64_t up_block(int64_t from, int64_t to, int64_t classes = 1) {
  return classes * 2 * (from + to) + convolution(from, to, 3) + convolution(to, to, 3) + convolution(from, to, 1);
}
constexpr int64_t down_block(int64_t from, int64_t to, int64_t between, bool shortcut) {
  return convolution(from, between, 3) + convolution(between, to, 3) + (shortcut ? convolution(from, to, 1) : 0);
}

TEST(Published, SnResnet32) {
  const Counts c = count(test::sn_resnet32(), 32);
  EXPECT_EQ(c.generator, 4'276'739);
  EXPECT_EQ(c.generator, 129 * 4096 + 3 * up_block(256, 256) + 2 * 256 + convolution(256, 3, 3));
  EXPECT_EQ(c.discriminator, down_block(3, 128, 128, true) + down_block(128, 128, 128, true) +
                                 2 * down_block(128, 128, 128, false) + 128);
  EXPECT_NEAR(c.gflop_per_chain_step, 7.813, 5e-4);
}

TEST(Published, SnDcgan32) {
  const Counts c = count(test::sn_dcgan32(), 32);
  EXPECT_NEAR(c.gflop_per_chain_step, 1.277, 5e-4);
  EXPECT_EQ(c.generator, 129 * 8192 + 2 * (512 + 256 + 128 + 64) + convolution(512, 256, 4) + convolution(256, 128, 4) +
                             convolution(128, 64, 4) + convolution(64, 3, 3));
  EXPECT_EQ(c.discriminator, convolution(3, 64, 3) + convolution(64, 128, 4) + convolution(128, 128, 3) +
                                 convolution(128, 256, 4) + convolution(256, 256, 3) + convolution(256, 512, 4) +
                                 convolution(512, 512, 3) + 8192 + 1);
}

TEST(Published, SnResnet48And64) {
  const Counts stl = count(test::sn_resnet48(), 48);
  EXPECT_EQ(stl.generator,
            129 * 512 * 36 + up_block(512, 256) + up_block(256, 128) + up_block(128, 64) + 128 + convolution(64, 3, 3));
  EXPECT_EQ(stl.discriminator, down_block(3, 64, 64, true) + down_block(64, 128, 64, true) +
                                   down_block(128, 256, 128, true) + down_block(256, 512, 256, true) +
                                   down_block(512, 1024, 512, true) + 1025);
  const Counts c64 = count(test::sn_resnet64(), 64);
  EXPECT_EQ(c64.generator, 129 * 1024 * 16 + up_block(1024, 512) + up_block(512, 256) + up_block(256, 128) +
                               up_block(128, 64) + 128 + convolution(64, 3, 3));
}

TEST(Published, SnResnet128WithProjection) {
  const Counts c = count(test::sn_resnet128(1000), 128);
  EXPECT_EQ(c.generator, 129 * 1024 * 16 + up_block(1024, 1024, 1000) + up_block(1024, 512, 1000) +
                             up_block(512, 256, 1000) + up_block(256, 128, 1000) + up_block(128, 64, 1000) + 128 +
                             convolution(64, 3, 3));
  EXPECT_EQ(c.discriminator, down_block(3, 64, 64, true) + down_block(64, 128, 64, true) +
                                 down_block(128, 256, 128, true) + down_block(256, 512, 256, true) +
                                 down_block(512, 1024, 512, true) + down_block(1024, 1024, 1024, false) + 1025 +
                                 1000 * 1024);
}

TEST(Published, WganGpResnet32) {
  const Counts c = count(test::wgangp_resnet32(), 32);
  EXPECT_EQ(c.generator, 129 * 2048 + 3 * up_block(128, 128) + 2 * 128 + convolution(128, 3, 3));
  EXPECT_EQ(c.discriminator, down_block(3, 128, 128, true) + down_block(128, 128, 128, true) +
                                 2 * down_block(128, 128, 128, false) + 129);
}

// 70'433'988 and 87'982'370 are what the authors' own code reports for 128 pixels.
TEST(Published, BigGan128) {
  const config::ModelConfig m = test::biggan128();  // made without initial weights, which take half a minute
  const NetworkPtr g = make_biggan_generator({.latent_dim = m.latent_dim,
                                              .widths = m.generator_widths,
                                              .classes = m.classes,
                                              .embedding_dim = m.embedding_dim,
                                              .attention_side = m.attention_side},
                                             {3, 128, 128});
  const NetworkPtr d = make_biggan_discriminator({.widths = m.discriminator_widths,
                                                  .downsamplings = m.discriminator_downsamplings,
                                                  .classes = m.classes,
                                                  .attention_side = m.attention_side},
                                                 {3, 128, 128});
  EXPECT_EQ(parameter_count(*g), 70'433'988);
  EXPECT_EQ(parameter_count(*d), 87'982'370);
}

TEST(Architectures, ShapesModesAndLabels) {
  config::ModelConfig conditional = test::sn_resnet({16, 8, 8}, {8, 16, 16}, 2, 5);
  conditional.latent_dim = 6;
  const NetworkPtr g = test::make_network(conditional, Role::generator, {3, 16, 16}, 1);
  const NetworkPtr d = test::make_network(conditional, Role::discriminator, {3, 16, 16}, 1);
  const at::Tensor y = at::tensor({0, 3, 4}, test::there(at::kLong)), z = latents(3, 6);
  const at::Tensor images = g->forward(z, y);
  EXPECT_EQ(images.sizes(), (std::vector<int64_t>{3, 3, 16, 16}));
  EXPECT_LE(images.abs().max().item<double>(), 1);
  EXPECT_EQ(d->forward(images, y).sizes(), (std::vector<int64_t>{3}));
  EXPECT_FALSE(at::equal(d->forward(images, y), d->forward(images, at::zeros_like(y))));
  EXPECT_THROW(g->forward(z), Error);
  EXPECT_THROW(test::make_network(conditional, Role::generator, {3, 18, 18}, 1), Error);
  EXPECT_THROW(test::make_network(conditional, Role::generator, {3, 16, 32}, 1), Error);
  EXPECT_THROW(test::make_network(conditional, Role::generator, {2}, 1), Error);
}

TEST(Architectures, WeightsDependOnSeedAndRoleAlone) {
  for (const config::ModelConfig& config : {test::sn_resnet32(10), test::sn_dcgan32(), test::wgangp_resnet32()}) {
    const auto digest = [&](Role role, uint64_t seed) {
      return digest_of(*test::make_network(config, role, {3, 32, 32}, seed));
    };
    EXPECT_EQ(digest(Role::discriminator, 1), digest(Role::discriminator, 1)) << config.architecture;
    EXPECT_NE(digest(Role::discriminator, 1), digest(Role::discriminator, 2)) << config.architecture;
    EXPECT_NE(digest(Role::discriminator, 1), digest(Role::ratio, 1)) << config.architecture;
  }
}

// Right from the start, so that neither the first update nor a chain on an untrained network is scaled wrongly.
TEST(Architectures, SpectralNormIsSettledAtTheStart) {
  const NetworkPtr d = test::make_network(test::sn_dcgan32(), Role::discriminator, {3, 32, 32}, 1);
  int64_t layers = 0;
  for (const auto& module : d->modules()) {
    const auto* layer = module->as<Layer>();
    if (layer == nullptr) continue;
    ASSERT_TRUE(layer->spectral());
    const double largest = at::linalg_svdvals(layer->raw_weight().detach().flatten(1)).max().item<double>();
    EXPECT_NEAR(layer->sigma().item<double>() / largest, 1, 0.05);
    ++layers;
  }
  EXPECT_EQ(layers, 8);
}

TEST(Initialise, GlorotByName) {
  const NetworkPtr g = test::make_network(test::sn_resnet32(), Role::generator, {3, 32, 32}, 1);
  const auto p = g->named_parameters();
  const auto bound = [&](const std::string& name) { return p[name].abs().max().item<double>(); };
  EXPECT_NEAR(bound("block1.conv1.weight"), std::sqrt(2.0 * 6 / (2 * 256 * 9)), 1e-4);
  EXPECT_NEAR(bound("block1.shortcut.weight"), std::sqrt(6.0 / (2 * 256)), 1e-4);
  EXPECT_NEAR(bound("linear.weight"), std::sqrt(6.0 / (128 + 4096)), 1e-4);
  EXPECT_EQ(bound("block1.conv1.bias"), 0);
  EXPECT_EQ(p["block1.norm1.weight"].min().item<double>(), 1);
}

}  // namespace
}  // namespace ddls::models::architectures_test
