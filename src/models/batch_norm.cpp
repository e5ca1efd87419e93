#include "models/batch_norm.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "models/feature_moments.hpp"
#include "models/fold.hpp"

namespace ddls::models {
namespace {

std::vector<BatchNormBase*> batch_norms_of(torch::nn::Module& network) {
  std::vector<BatchNormBase*> layers;
  for (const auto& module : network.modules())
    if (auto* layer = module->as<BatchNormBase>()) layers.push_back(layer);
  return layers;
}

}  // namespace

BatchNormBase::BatchNormBase(int64_t features, double eps) : eps_(eps) {
  mean_ = register_buffer("mean", at::zeros({features}));
  variance_ = register_buffer("variance", at::ones({features}));
}

at::Tensor BatchNormBase::normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!is_training()) return at::batch_norm(x, weight, bias, mean_, variance_, false, 0, eps_, false);
  if (measuring_) {
    const at::Tensor wide = x.detach().to(at::kDouble);
    measured_.push_back(at::cat({wide.mean(all_but_features(x)), wide.var(all_but_features(x), /*unbiased=*/false)}));
  } else if (sum_) {
    return normalise_globally(x, weight, bias);
  }
  return at::batch_norm(x, weight, bias, {}, {}, true, 0, eps_, false);
}

// The cross-rank part is float64, where the difference of large squares does no harm (Chan, Golub, LeVeque 1983).
at::Tensor BatchNormBase::normalise_globally(const at::Tensor& x, const at::Tensor& weight,
                                             const at::Tensor& bias) const {
  const int64_t features = x.size(1);
  const auto [mean, variance] = feature_moments(x);
  const at::Tensor count = at::full({1}, x.numel() / features, x.options().dtype(at::kDouble));
  const at::Tensor total = sum_(at::cat({count, mean * count, (variance + mean.square()) * count}));
  const at::Tensor moments = total.narrow(0, 1, 2 * features) / total.narrow(0, 0, 1);
  const at::Tensor all_mean = moments.narrow(0, 0, features);
  const at::Tensor all_variance = (moments.narrow(0, features, features) - all_mean.square()).clamp_min(0);
  at::Tensor scale = (all_variance + eps_).rsqrt();
  if (weight.defined()) scale = scale * weight;
  at::Tensor shift = -all_mean * scale;
  if (bias.defined()) shift = shift + bias;
  return scale_features(x, scale, shift);
}

inference::FeatureMap BatchNormBase::frozen_with(const at::Tensor& weight, const at::Tensor& bias) const {
  const at::Tensor scale = weight.detach().to(at::kDouble) * (variance_.to(at::kDouble) + eps_).rsqrt();
  return {scale, bias.detach().to(at::kDouble) - mean_.to(at::kDouble) * scale};
}

bool BatchNormBase::unmeasured() const { return mean_.eq(0).all().item<bool>() && variance_.eq(1).all().item<bool>(); }

void BatchNormBase::begin_measuring() {
  measuring_ = true;
  measured_.clear();
}

void BatchNormBase::end_measuring(int64_t batches, const BatchShare& share) {
  const int64_t features = mean_.numel();
  at::Tensor rows = at::zeros({batches, 2 * features}, mean_.options().dtype(at::kDouble));
  int64_t batch = share.first;
  for (const at::Tensor& row : measured_) {
    rows.select(0, batch).copy_(row);
    batch += share.stride;
  }
  ensure(measuring_ && batch >= batches && batch < batches + share.stride,
         "batch norm statistics were measured on {} of {} batches", measured_.size(), batches);
  if (share.sum) rows = share.sum(rows);  // all others added zeros: exact
  at::Tensor total = at::zeros({2 * features}, rows.options());
  for (int64_t i = 0; i < batches; ++i) total += rows[i];
  mean_.copy_(total.narrow(0, 0, features) / batches);
  variance_.copy_(total.narrow(0, features, features) / batches);
  measuring_ = false;
  measured_.clear();
}

BatchNorm::BatchNorm(int64_t features, double eps) : BatchNormBase(features, eps) {
  weight_ = register_parameter("weight", at::ones({features}));
  bias_ = register_parameter("bias", at::zeros({features}));
}

at::Tensor BatchNorm::forward(const at::Tensor& x, const at::Tensor&) { return normalise(x, weight_, bias_); }

inference::FeatureMap BatchNorm::frozen(const at::Tensor&) const { return frozen_with(weight_, bias_); }

ClassBatchNorm::ClassBatchNorm(int64_t classes, int64_t features, double eps) : BatchNormBase(features, eps) {
  gains_ = register_parameter("gains", at::ones({classes, features}));
  offsets_ = register_parameter("offsets", at::zeros({classes, features}));
}

at::Tensor ClassBatchNorm::forward(const at::Tensor& x, const at::Tensor& condition) {
  ensure(condition.defined(), "a conditional network was called without labels");
  const at::Tensor gains = over_positions(at::embedding(gains_, condition), x);
  return at::addcmul(over_positions(at::embedding(offsets_, condition), x), normalise(x, {}, {}), gains);
}

inference::FeatureMap ClassBatchNorm::frozen(const at::Tensor&) const { return frozen_with(gains_, offsets_); }

VectorBatchNorm::VectorBatchNorm(int64_t conditions, int64_t features, bool spectral, double eps)
    : BatchNormBase(features, eps) {
  const LayerOptions options{.bias = false, .spectral = spectral};
  gain_ = register_module("gain", std::make_shared<Dense>(conditions, features, options));
  offset_ = register_module("offset", std::make_shared<Dense>(conditions, features, options));
}

at::Tensor VectorBatchNorm::forward(const at::Tensor& x, const at::Tensor& condition) {
  const at::Tensor gains = over_positions(1 + gain_->forward(condition), x);
  return at::addcmul(over_positions(offset_->forward(condition), x), normalise(x, {}, {}), gains);
}

// Eval mode is linear in gain and offset, and those are linear in the condition: what labels and latents give is added.
inference::FeatureMap VectorBatchNorm::frozen(const at::Tensor& label_vectors) const {
  const at::Tensor gain = fold(*gain_, at::kDouble).weight, offset = fold(*offset_, at::kDouble).weight;
  const int64_t labels = label_vectors.size(1), latents = gain.size(1) - labels;
  const auto of_labels = [&](const at::Tensor& w) { return at::mm(label_vectors, w.narrow(1, 0, labels).t()); };
  const auto of_latents = [&](const at::Tensor& w) { return w.narrow(1, labels, latents).t(); };
  inference::FeatureMap map = frozen_with(1 + of_labels(gain), of_labels(offset));
  const inference::FeatureMap slope = frozen_with(of_latents(gain), of_latents(offset));
  map.by_latents = at::cat({slope.scale, slope.shift}, 1).t();
  map.label_inputs = labels;
  return map;
}

void synchronise_batch_norm(torch::nn::Module& network, const CrossRankSum& sum) {
  for (BatchNormBase* layer : batch_norms_of(network)) layer->synchronise(sum);
}

void measure_statistics(torch::nn::Module& network, int64_t batches,
                        const std::function<void(int64_t i)>& forward_batch, const BatchShare& share) {
  const std::vector<BatchNormBase*> layers = batch_norms_of(network);
  if (!layers.empty()) {
    at::NoGradGuard no_grad;
    network.train();
    for (BatchNormBase* layer : layers) layer->begin_measuring();
    for (int64_t i = share.first; i < batches; i += share.stride) forward_batch(i);
    for (BatchNormBase* layer : layers) layer->end_measuring(batches, share);
  }
  network.eval();
}

void measure_statistics(torch::nn::Module& network, const std::function<at::Tensor(const at::Tensor&)>& forward,
                        int64_t batches, const std::function<at::Tensor(int64_t)>& batch) {
  measure_statistics(network, batches, [&](int64_t i) { forward(batch(i)); });
}

}  // namespace ddls::models
