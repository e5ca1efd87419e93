#include "models/feature_head.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "models/mlp.hpp"
#include "models/network.hpp"
#include "tensor/frozen_features.hpp"

namespace ddls::models {
namespace {

using FrozenPtr = std::shared_ptr<const tensor::FrozenFeatures>;

// (f(x) - mean) / scale
class FeatureOperation : public inference::Operation {
 public:
  FeatureOperation(FrozenPtr features, at::Tensor mean, at::Tensor scale)
      : features_(std::move(features)), mean_(std::move(mean)), scale_(std::move(scale)) {}

  at::Tensor forward(at::Tensor x, inference::Tape& tape) const override {
    at::NoGradGuard no_grad;
    if (!tape.keeps()) return (features_->of(x) - mean_) / scale_;
    const tensor::FrozenFeatures::Kept kept = features_->kept(x);
    tape.push(kept.images);
    tape.push(kept.features);
    return (kept.features.detach() - mean_) / scale_;
  }
  at::Tensor vjp(at::Tensor dy, inference::Tape& tape) const override {
    const at::Tensor features = tape.pop(), images = tape.pop();
    return features_->pullback({images, features}, dy / scale_);
  }
  inference::OperationWork work(inference::Pass, at::IntArrayRef) const override { return {"frozen features"}; }

 private:
  FrozenPtr features_;
  at::Tensor mean_, scale_;
};

class FeatureHead : public Network {
 public:
  FeatureHead(const std::string& file, const std::vector<int64_t>& widths, const SampleShape& shape)
      : file_(file), shape_(shape), frozen_(tensor::frozen_features(file, ratio_extractor_key, shape, device_)) {
    const std::string& sha256 = frozen_->sha256();
    sha256_ =
        register_buffer("extractor_sha256", at::tensor(std::vector<uint8_t>(sha256.begin(), sha256.end()), at::kByte));
    mean_ = register_buffer("feature_mean", at::zeros({frozen_->width()}));
    scale_ = register_buffer("feature_scale", at::ones({frozen_->width()}));
    body_ = register_module("body", make_mlp_discriminator(frozen_->width(), widths, {}));
  }

  at::Tensor forward(const at::Tensor& images, const at::Tensor&) override {
    return body_->forward(inputs(images), {});
  }
  at::Tensor features(const at::Tensor& images, const at::Tensor&) override {
    return body_->features(inputs(images), {});
  }
  LastLayer last_layer() const override { return body_->last_layer(); }

  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    if (type == at::kBFloat16) return std::nullopt;
    inference::Operations graph;
    graph.push_back(std::make_unique<FeatureOperation>(checked(mean_.device()), mean_.to(type), scale_.to(type)));
    auto layers = body_->inference_graph_in(type);
    for (inference::OperationPtr& layer : layers.value()) graph.push_back(std::move(layer));
    return graph;
  }

  void measure(const at::Tensor& images) {
    at::NoGradGuard no_grad;
    std::vector<at::Tensor> rows;
    const FrozenPtr frozen = checked(images.device());
    for (const at::Tensor& part : images.split(rows_at_once)) rows.push_back(frozen->of(part).to(at::kDouble));
    const at::Tensor features = at::cat(rows);
    const at::Tensor deviation = features.std(0, /*unbiased=*/false);
    mean_.copy_(features.mean(0));
    // A feature that hardly varies would be noise in its own units.
    scale_.copy_(deviation.clamp_min(std::max(1e-3 * deviation.max().item<double>(), 1e-12)));
  }
  const std::string& sha256() const { return frozen_->sha256(); }

 private:
  static constexpr int64_t rows_at_once = 32;

  at::Tensor inputs(const at::Tensor& images) { return (checked(images.device())->of(images) - mean_) / scale_; }

  // The frozen network on this device, after a look at whether the state is of its file.
  FrozenPtr checked(c10::Device device) const {
    if (!same_) {
      const at::Tensor bytes = sha256_.to(at::kCPU, at::kByte).contiguous();
      const std::string made_with(reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()),
                                  static_cast<size_t>(bytes.numel()));
      if (made_with != frozen_->sha256())
        fail(Exit::config,
             "{}: {} is another file than the one on whose features the ratio was fitted; give that one, or fit anew",
             ratio_extractor_key, file_);
      same_ = true;
    }
    if (device != device_) {
      frozen_ = tensor::frozen_features(file_, ratio_extractor_key, shape_, device);
      device_ = device;
    }
    return frozen_;
  }

  std::string file_;
  SampleShape shape_;
  mutable c10::Device device_{at::kCPU};
  mutable FrozenPtr frozen_;  // on that device
  mutable bool same_ = false;
  at::Tensor mean_, scale_, sha256_;
  NetworkPtr body_;
};

}  // namespace

NetworkPtr make_feature_head(const std::string& file, const std::vector<int64_t>& widths, const SampleShape& shape) {
  if (shape.size() != 3)
    fail(Exit::config, "model.ratio_architecture: features are of images, but the data are points; take mlp");
  return std::make_shared<FeatureHead>(file, widths, shape);
}

bool is_feature_head(const Network& network) { return dynamic_cast<const FeatureHead*>(&network) != nullptr; }

void measure_features(Network& network, const at::Tensor& images) {
  auto* const head = dynamic_cast<FeatureHead*>(&network);
  ensure(head != nullptr, "features are measured of a head on features");
  head->measure(images);
}

std::string extractor_of(const Network& network) {
  const auto* const head = dynamic_cast<const FeatureHead*>(&network);
  return head != nullptr ? head->sha256() : std::string();
}

}  // namespace ddls::models
