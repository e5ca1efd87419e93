// The gradient of the energy through every architecture against central differences in float64: the hand-written
// inference graphs where there are any, and autograd.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ddls/target.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/spectral_norm.hpp"
#include "tensor/noise.hpp"
#include "unit/models/network_case.hpp"
#include "unit/models/published_models.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::sampling::energy_gradient_test {
namespace {

std::vector<test::NetworkCase> cases() {
  test::NetworkCase mlp = test::small_mlp(12);
  mlp.model.ratio_frequencies = {2, 4};
  config::ModelConfig sn_dcgan = test::sn_dcgan32();
  sn_dcgan.latent_dim = 6;
  sn_dcgan.generator_widths = {8, 6, 6};
  sn_dcgan.ratio_widths = {6, 6, 8};
  config::ModelConfig resnet = test::sn_resnet({8, 6, 6}, {6, 6, 8}, 2), labelled = resnet, bilinear = resnet,
                      wgangp = resnet;
  resnet.latent_dim = labelled.latent_dim = bilinear.latent_dim = wgangp.latent_dim = 6;
  labelled.classes = 3;
  bilinear.upsampling = "bilinear";
  wgangp.architecture = "wgangp_resnet";
  config::ModelConfig biggan = test::biggan(6, {8, 8, 8}, {8, 8, 8}, 2, 8, 3);
  biggan.embedding_dim = 4;
  config::ModelConfig cgan = test::mnist_cgan();
  cgan.latent_dim = 6;
  cgan.classes = 3;
  cgan.embedding_dim = 4;
  cgan.generator_widths = {8, 10, 12};
  cgan.ratio_widths = {10, 8, 8};
  return {mlp,
          test::small_dcgan(6, 4, 16),
          {"sn_dcgan", sn_dcgan, {3, 16, 16}},
          {"sn_resnet", resnet, {3, 16, 16}},
          {"sn_resnet with classes", labelled, {3, 16, 16}},
          {"sn_resnet, bilinear", bilinear, {3, 16, 16}},
          {"wgangp_resnet", wgangp, {3, 16, 16}},
          {"biggan", biggan, {3, 16, 16}},
          {"mlp_cgan", cgan, {1, 8, 8}}};
}

// Biases, gains, class tables and attention leave their initial values: terms that they switch off would not be tested.
models::NetworkPtr network_of(const test::NetworkCase& c, models::Role role) {
  const models::NetworkPtr network = test::make_network(c.model, role, c.shape, 3);
  at::NoGradGuard no_grad;
  int64_t id = 0;
  for (at::Tensor& p : network->parameters()) {
    const at::Tensor noise =
        tensor::Noise{9}.normal({id, id + 1}, p.numel(), 0, Stream::init, test::device()).view(p.sizes());
    p.add_(noise, p.dim() == 1 ? 0.3 : 0.1);
    ++id;
  }
  models::settle_spectral_norm(*network, 3);
  network->to(at::kDouble);
  network->eval();
  return network;
}

// Largest difference between the gradient of E and its central differences, over the largest element.
double mismatch(const Target& target, const at::Tensor& z, const at::Tensor& labels) {
  constexpr double h = 1e-6;
  const at::Tensor gradient = energy_gradient(z, target.evaluate(z, labels));
  at::Tensor differences = at::empty_like(z);
  for (int64_t i = 0; i < z.size(1); ++i) {
    at::Tensor up = z.clone(), down = z.clone();
    up.select(1, i).add_(h);
    down.select(1, i).sub_(h);
    const at::Tensor rise = energy(target.evaluate(up, labels)) - energy(target.evaluate(down, labels));
    differences.select(1, i).copy_(rise / (2 * h));
  }
  return ((gradient - differences).abs().max() / gradient.abs().max()).item<double>();
}

TEST(EnergyGradient, EqualsCentralDifferencesThroughEveryModel) {
  for (const test::NetworkCase& c : cases()) {
    const models::NetworkPtr generator = network_of(c, models::Role::generator),
                             ratio = network_of(c, models::Role::ratio);
    const at::Tensor z =
        tensor::Noise{5}.normal({0, 5}, c.model.latent_dim, 0, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor labels =
        c.model.classes > 0 ? at::arange(5, test::there(at::kLong)).remainder(c.model.classes) : at::Tensor();
    for (const Prior prior : {Prior::normal, Prior::uniform}) {
      const Target fast = make_target(generator, ratio, c.model.latent_dim, test::device(), prior);
      EXPECT_LT(mismatch(fast, z, labels), 1e-6) << c.name;
      // The ratio matters: the gradient is not that of the prior alone.
      EXPECT_GT(fast.evaluate(z, labels).grad_log_ratio.abs().max().item<double>(), 1e-4) << c.name;
      const Target autograd =
          make_target([&](const at::Tensor& latents, const at::Tensor& y) { return generator->forward(latents, y); },
                      [&](const at::Tensor& x, const at::Tensor& y) { return ratio->forward(x, y); },
                      c.model.latent_dim, test::device(), prior);
      EXPECT_LT(mismatch(autograd, z, labels), 1e-6) << c.name;
    }
  }
}

}  // namespace
}  // namespace ddls::sampling::energy_gradient_test
