// Inference graphs against the networks they are made from, on weights and statistics that nothing cancels in.
#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/batch_norm.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "inference/convolution.hpp"
#include "inference/frozen.hpp"
#include "inference/observer.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"
#include "models/refitted_head.hpp"
#include "models/spectral_norm.hpp"
#include "inference/winograd/winograd.hpp"
#include "tensor/noise.hpp"
#include "unit/models/network_case.hpp"
#include "unit/models/published_models.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::models::inference_graph_test {
namespace {

std::vector<test::NetworkCase> cases() {
  const test::NetworkCase mlp = test::small_mlp(32);
  test::NetworkCase waves = mlp;
  waves.name = "mlp with frequencies";
  waves.model.ratio_frequencies = {2, 4, 8};
  config::ModelConfig sn_dcgan = test::sn_dcgan32();
  sn_dcgan.latent_dim = 12;
  sn_dcgan.generator_widths = {16, 8, 8};
  sn_dcgan.ratio_widths = {8, 8, 16};
  config::ModelConfig resnet = test::sn_resnet({16, 8, 8}, {8, 8, 16, 16}, 2), labelled = resnet, wgangp = resnet;
  resnet.latent_dim = labelled.latent_dim = wgangp.latent_dim = 12;
  labelled.classes = 5;
  wgangp.architecture = "wgangp_resnet";
  config::ModelConfig cgan = test::mnist_cgan();
  cgan.generator_widths = {16, 24, 32};
  cgan.ratio_widths = {24, 24, 16};
  config::ModelConfig biggan = test::biggan(18, {16, 16, 8}, {8, 16, 16}, 2, 8, 5), ends = biggan;
  biggan.embedding_dim = ends.embedding_dim = 4;
  ends.attention_side = 16;  // behind the generator's last block
  ends.discriminator_downsamplings = 0;
  ends.discriminator_widths = ends.ratio_widths = {8, 8, 16};
  return {mlp,
          waves,
          test::small_dcgan(16, 8, 28),
          {"sn_dcgan", sn_dcgan, {3, 16, 16}},
          {"sn_resnet", resnet, {3, 16, 16}},
          {"sn_resnet with classes", labelled, {3, 16, 16}},
          {"wgangp_resnet", wgangp, {3, 16, 16}},
          {"mlp_cgan", cgan, {1, 8, 8}},
          {"biggan", biggan, {3, 16, 16}},
          {"biggan with attention at its end", ends, {3, 16, 16}}};
}

// Everything that initial weights leave at 0 or 1 gets values of its own; one gain of every norm is next to nothing.
void unsettle(Network& network) {
  at::NoGradGuard no_grad;
  int64_t id = 0;
  const auto random = [&](const at::Tensor& like) {
    return tensor::Noise{9}
        .normal({id, id + 1}, like.numel(), 0, Stream::init, test::device())
        .view(like.sizes())
        .to(like.options());
  };
  for (auto& item : network.named_parameters()) {
    at::Tensor p = item.value();
    const bool gain = item.key().find("norm") != std::string::npos && !item.key().ends_with("bias");
    ++id;
    if (p.dim() > 1 && !gain) continue;
    p.copy_(gain && !item.key().ends_with("offsets") ? 1 + 0.3 * random(p) : 0.2 * random(p));
    if (gain && p.dim() == 1) p[0] = 1e-12;
  }
  for (auto& item : network.named_buffers()) {
    ++id;
    at::Tensor b = item.value();
    if (item.key().ends_with("mean")) b.copy_(0.3 * random(b));
    if (item.key().ends_with("variance")) b.copy_((0.4 * random(b)).exp());
  }
}

struct Pair {
  NetworkPtr generator, ratio;
};

Pair networks(const test::NetworkCase& c, at::ScalarType type) {
  Pair pair{test::make_network(c.model, Role::generator, c.shape, 3),
            test::make_network(c.model, Role::ratio, c.shape, 3)};
  for (const NetworkPtr& network : {pair.generator, pair.ratio}) {
    unsettle(*network);
    power_iteration(*network);
    network->to(type);
    network->eval();
  }
  return pair;
}

struct Result {
  at::Tensor samples, logits, gradient;
};

Result by_autograd(const Pair& pair, const at::Tensor& z, const at::Tensor& labels) {
  const at::Tensor leaf = z.detach().requires_grad_(true);
  const at::Tensor samples = pair.generator->forward(leaf, labels), logits = pair.ratio->forward(samples, labels);
  return {samples.detach(), logits.detach(), torch::autograd::grad({logits.sum()}, {leaf}).front()};
}

Result by_graph(const Pair& pair, const at::Tensor& z, const at::Tensor& labels) {
  const auto generator = pair.generator->inference_graph(), ratio = pair.ratio->inference_graph();
  at::NoGradGuard no_grad;
  inference::Tape tape(labels, true);
  const at::Tensor samples = inference::forward_through(*generator, z, tape);
  const at::Tensor logits = inference::forward_through(*ratio, samples, tape);
  const at::Tensor gradient =
      inference::vjp_through(*generator, inference::vjp_through(*ratio, at::ones_like(logits), tape), tape);
  EXPECT_THROW(tape.pop(), std::exception);  // everything was used
  return {samples, logits, gradient};
}

double relative(const at::Tensor& a, const at::Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

at::Tensor labels_for(const test::NetworkCase& c, int64_t n) {
  return c.model.classes > 0 ? at::arange(n, test::there(at::kLong)).remainder(c.model.classes) : at::Tensor();
}

TEST(InferenceGraph, EqualsTheNetworkInDouble) {
  for (const test::NetworkCase& c : cases()) {
    const Pair pair = networks(c, at::kDouble);
    const at::Tensor z =
        tensor::Noise{5}.normal({0, 6}, c.model.latent_dim, 0, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor labels = labels_for(c, 6);
    ASSERT_TRUE(pair.generator->inference_graph() && pair.ratio->inference_graph()) << c.name;
    const Result plain = by_autograd(pair, z, labels), graph = by_graph(pair, z, labels);
    EXPECT_EQ(graph.samples.sizes(), plain.samples.sizes()) << c.name;
    EXPECT_LT(relative(graph.samples, plain.samples), 1e-12) << c.name;
    EXPECT_LT(relative(graph.logits, plain.logits), 1e-12) << c.name;
    EXPECT_LT(relative(graph.gradient, plain.gradient), 1e-12) << c.name;
  }
}

// Against the network in float64: a ReLU at zero may move single chains, not their median.
TEST(InferenceGraph, IsAsGoodAsTheNetworkInSingle) {
  for (const test::NetworkCase& c : cases()) {
    const Pair wide = networks(c, at::kDouble), single = networks(c, at::kFloat);
    const int64_t n = 33;
    const at::Tensor z = tensor::Noise{6}.normal({0, n}, c.model.latent_dim, 0, Stream::prior, test::device()),
                     labels = labels_for(c, n);
    const Result exact = by_autograd(wide, z.to(at::kDouble), labels), graph = by_graph(single, z, labels);
    const at::Tensor errors = (graph.gradient - exact.gradient).norm(2, 1) / exact.gradient.norm(2, 1);
    EXPECT_LT(errors.median().item<double>(), 5e-6) << c.name;
    EXPECT_LT(relative(graph.logits, exact.logits), 5e-6) << c.name;
  }
}

// Which algorithm products go depends on the processor, so each is tried on all.
TEST(InferenceGraph, ProductsAreEqualBothWays) {
  at::NoGradGuard no_grad;
  const at::Tensor x = tensor::Noise{1}.normal({0, 9}, 70, 0, Stream::prior, test::device()),
                   w = tensor::Noise{2}.normal({0, 65}, 70, 0, Stream::init, test::device()),
                   b = tensor::Noise{3}.normal({0, 1}, 65, 0, Stream::init, test::device()).squeeze(0);
  const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble), b.to(at::kDouble));
  for (const auto algorithm : {inference::FrozenProduct::Algorithm::onednn, inference::FrozenProduct::Algorithm::aten,
                               inference::FrozenProduct::Algorithm::faster}) {
    EXPECT_LT(relative(inference::FrozenProduct(w, b, algorithm)(x), exact), 1e-6);
    EXPECT_LT(relative(inference::FrozenProduct(w, {}, algorithm)(x), exact - b), 1e-6);
  }
}

// The features and the last layer are the discriminator; another last layer is another one, in both graphs.
TEST(InferenceGraph, TheLastLayerCanBeReplaced) {
  for (const test::NetworkCase& c : cases()) {
    Pair pair = networks(c, at::kDouble);
    const at::Tensor z =
        tensor::Noise{5}.normal({0, 6}, c.model.latent_dim, 0, Stream::prior, test::device()).to(at::kDouble);
    const at::Tensor labels = labels_for(c, 6);
    const Result own = by_autograd(pair, z, labels);
    const at::Tensor h = pair.ratio->features(own.samples, labels).detach();
    const LastLayer last = pair.ratio->last_layer();
    const at::Tensor bias = last.bias.defined() ? last.bias : at::zeros({1}, h.options());
    const NetworkPtr body = pair.ratio;
    pair.ratio = with_head(body, {last.weight, bias});
    EXPECT_LT(relative(by_autograd(pair, z, labels).logits, own.logits), 1e-12) << c.name;

    pair.ratio = with_head(body, {last.weight * 3 + 0.5, bias - 1});
    const Result plain = by_autograd(pair, z, labels), graph = by_graph(pair, z, labels);
    const at::Tensor by_hand = (own.logits - bias) * 3 + 0.5 * h.sum(1) + bias - 1;
    EXPECT_LT(relative(plain.logits, by_hand), 1e-12) << c.name;
    EXPECT_LT(relative(graph.logits, by_hand), 1e-12) << c.name;
    EXPECT_LT(relative(graph.gradient, plain.gradient), 1e-12) << c.name;
  }
}

// Sums over all operations, forward and vjp.
struct WorkSum : inference::OperationObserver {
  void watches(const std::string&, const inference::Operations&) override {}
  void begins(const inference::Operation& operation, inference::Pass pass, const at::Tensor& input) override {
    const inference::OperationWork work = operation.work(pass, input.sizes());
    plain += work.plain_multiply_adds;
    executed += work.multiply_adds;
  }
  void ends(const at::Tensor&) override {}
  void recalls(const at::Tensor&) override {}
  int64_t plain = 0, executed = 0;
};

// Whatever the layers became, they stand for what the network is published with.
TEST(InferenceGraph, PlainWorkIsThatOfTheNetwork) {
  at::NoGradGuard no_grad;
  for (const test::NetworkCase& c : cases()) {
    const Pair pair = networks(c, at::kFloat);
    const at::Tensor z = at::zeros({1, c.model.latent_dim}, test::there()), label = labels_for(c, 1);
    const auto generator = pair.generator->inference_graph(), ratio = pair.ratio->inference_graph();
    WorkSum sum;
    inference::Tape tape(label, true, &sum);
    const at::Tensor logits = inference::forward_through(*ratio, inference::forward_through(*generator, z, tape), tape);
    inference::vjp_through(*generator, inference::vjp_through(*ratio, at::ones_like(logits), tape), tape);
    EXPECT_EQ(2 * sum.plain, chain_step_flops(*pair.generator, *pair.ratio, z, label)) << c.name;
    EXPECT_LE(sum.executed, sum.plain) << c.name;
  }
}

// 64 channels, where Winograd pays: of 9 products per position 4 are left, of 36 (4x4 kernels: 16) 9.
TEST(InferenceGraph, ExecutedWorkIsThatOfTheWayTaken) {
  const auto image = [](int64_t side) { return std::vector<int64_t>{5, 64, side, side}; };
  const at::Tensor small = at::zeros({64, 64, 3, 3}, test::there()), merged = at::zeros({64, 64, 4, 4}, test::there());
  const bool filtered = inference::winograd::pays_for(small, 1, 1, small.scalar_type());
  const inference::OperationPtr plain = inference::convolution({.weight = small, .bias = {}, .stride = 1, .padding = 1},
                                                               inference::no_activation),
                                halving = inference::convolution(
                                    {.weight = merged, .bias = {}, .stride = 2, .padding = 1, .published_taps = 36},
                                    inference::no_activation);
  for (const inference::Pass pass : {inference::Pass::forward, inference::Pass::vjp}) {
    const inference::OperationWork work = plain->work(pass, image(8));
    EXPECT_EQ(work.plain_multiply_adds, 64 * 64 * 64 * 9);
    EXPECT_EQ(work.multiply_adds, 64 * 64 * 64 * (filtered ? 4 : 9));
    EXPECT_EQ(work.weight_bytes, 64 * 64 * 4 * (filtered ? 16 : 9));
    EXPECT_EQ(work.algorithm, filtered ? "Winograd" : "oneDNN");
    EXPECT_EQ(plain->work(pass, image(7)).multiply_adds, 64 * 64 * 49 * 9);  // no tiles of 2x2

    const inference::OperationWork half = halving->work(pass, pass == inference::Pass::forward ? image(16) : image(8));
    EXPECT_EQ(half.plain_multiply_adds, 64 * 64 * 64 * 36);
    EXPECT_EQ(half.multiply_adds, 64 * 64 * 64 * (filtered ? 9 : 16));
  }
}

// Made once: later changes of the network do not reach it.
TEST(InferenceGraph, HasWeightsOfItsOwn) {
  const test::NetworkCase c = cases().front();
  const Pair pair = networks(c, at::kFloat);
  const auto graph = pair.generator->inference_graph();
  const at::Tensor z = tensor::Noise{5}.normal({0, 4}, c.model.latent_dim, 0, Stream::prior, test::device());
  at::NoGradGuard no_grad;
  inference::Tape tape({}, false);
  const at::Tensor before = inference::forward_through(*graph, z, tape);
  for (at::Tensor& p : pair.generator->parameters()) p.mul_(2);
  EXPECT_TRUE(at::equal(inference::forward_through(*graph, z, tape), before));
}

}  // namespace
}  // namespace ddls::models::inference_graph_test
