#include "tensor/frozen_features.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/foreign_network.hpp"
#include "tensor/noise.hpp"
#include "tensor/pt2_extractor.hpp"
#include "tensor/torchscript_file.hpp"

namespace ddls::tensor {

class FrozenFeatures::Network {
 public:
  Network(const std::string& file, const char* key, c10::Device device) : file_(file) {
    if (file.ends_with(".pt2")) {
      archive_ = std::make_unique<Pt2Extractor>(file, key, device, Pt2Use::gradients);
      return;
    }
    module_ = load_torchscript(file, key, device);
    for (const auto& argument : module_.get_method("forward").function().getSchema().arguments())
      nvidia_ = nvidia_ || argument.name() == "return_features";
  }

  at::Tensor features(const at::Tensor& samples, bool colour) {
    const at::Tensor images = images_of(samples, colour);
    if (archive_) return archive_->of(images);
    torch::jit::Kwargs options;
    if (nvidia_) options["return_features"] = true;
    const GraphsAs as(GraphsAs::written);
    torch::jit::IValue output = module_.forward({images}, options);
    if (output.isTuple() && !output.toTupleRef().elements().empty()) {
      const torch::jit::IValue first = output.toTupleRef().elements()[0];
      output = first;
    }
    if (!output.isTensor() || output.toTensor().dim() != 2 || output.toTensor().size(0) != images.size(0))
      fail(Exit::data, "{}: forward must return (features [N, F], logits [N, C]), but for {} images it returns {}",
           file_, images.size(0),
           output.isTensor() ? fmt::format("[{}]", fmt::join(output.toTensor().sizes(), ", ")) : type_of(output));
    return output.toTensor();
  }

  // Of `width` features in all; an archive has checked its own.
  std::vector<int64_t> groups(int64_t width) const {
    if (archive_) return archive_->groups();
    if (!module_.hasattr("feature_groups")) return {};
    const torch::jit::IValue groups = module_.attr("feature_groups");
    if (!groups.isIntList())
      fail(Exit::data, "{}: its attribute feature_groups is {}, no List[int]", file_, type_of(groups));
    const std::vector<int64_t> widths = groups.toIntVector();
    const bool positive = std::all_of(widths.begin(), widths.end(), [](int64_t one) { return one > 0; });
    if (!widths.empty() && (!positive || c10::sum_integers(widths) != width))
      fail(Exit::data, "{}: feature_groups [{}] are no widths of groups of its {} features", file_,
           fmt::join(widths, ", "), width);
    return widths;
  }

  // An archive has its backward pass as a program; TorchScript has that of autograd.
  bool has_backward() const { return archive_ != nullptr; }
  at::Tensor backward(const at::Tensor& samples, const at::Tensor& gradient, bool colour) {
    const at::Tensor slope = archive_->pullback(images_of(samples, colour), gradient) * 127.5;
    return colour ? slope.sum(1, /*keepdim=*/true) : slope;
  }

 private:
  static at::Tensor images_of(const at::Tensor& samples, bool colour) {
    const at::Tensor images = (samples + 1) * 127.5;
    return colour ? images.expand({images.size(0), 3, images.size(2), images.size(3)}) : images;
  }

  torch::jit::Module module_;
  std::string file_;
  bool nvidia_ = false;
  std::unique_ptr<Pt2Extractor> archive_;
};

namespace {

at::Tensor some_images(const std::vector<int64_t>& shape, c10::Device device) {
  const int64_t count = 4;
  const at::Tensor images = Noise{1}
                                .uniform({0, count}, c10::multiply_integers(shape), 0, Stream::prior)
                                .view({count, shape[0], shape[1], shape[2]});
  return (images * 2 - 1).to(device);
}

at::Tensor gradient_of(const at::Tensor& images, const std::function<at::Tensor(const at::Tensor&)>& value) {
  at::AutoGradMode with_grad(true);
  const at::Tensor leaf = images.detach().clone().requires_grad_(true);
  const at::Tensor sum = value(leaf);
  if (!sum.requires_grad()) return {};
  return torch::autograd::grad({sum}, {leaf}, {}, std::nullopt, false, /*allow_unused=*/true).front();
}

}  // namespace

FrozenFeatures::FrozenFeatures(const std::string& file, const char* key, const std::vector<int64_t>& shape,
                               c10::Device device)
    : file_(file), network_(std::make_shared<Network>(file, key, device)) {
  const at::Tensor images = some_images(shape, device);
  if (shape[0] == 1) {  // a network may take colour alone
    at::NoGradGuard no_grad;
    try {
      network_->features(images, false);
    } catch (const std::exception&) {
      colour_ = true;
    }
  }
  const at::Tensor gradient = gradient_of(images, [this](const at::Tensor& x) {
    const at::Tensor features = of(x);
    width_ = features.size(1);
    return features.square().sum();
  });
  if (!gradient.defined() || gradient.abs().max().item<double>() == 0)
    fail(Exit::data,
         "{}: no gradient passes through this network (does it round its images to integers, or run under "
         "torch.no_grad?), and samplers follow the gradient of features; begin it with x = x.float()",
         file);
  groups_ = network_->groups(width_);
  sha256_ = sha256_of_file(file);
}

std::shared_ptr<const FrozenFeatures> frozen_features(const std::string& file, const char* key,
                                                      const std::vector<int64_t>& shape, c10::Device device) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const FrozenFeatures>> opened;
  const std::scoped_lock lock(mutex);
  auto& known = opened[fmt::format("{} {} {} {}", file, key, fmt::join(shape, "x"), device.str())];
  if (!known) known = std::make_shared<const FrozenFeatures>(file, key, shape, device);
  return known;
}

at::Tensor FrozenFeatures::of(const at::Tensor& images) const {
  return in_network(file_, "forward fails on floating-point images in 0..255",
                    [&] { return network_->features(images, colour_); });
}

FrozenFeatures::Kept FrozenFeatures::kept(const at::Tensor& images) const {
  at::AutoGradMode graph(!network_->has_backward());
  const at::Tensor leaf = network_->has_backward() ? images : images.detach().requires_grad_(true);
  return {leaf, of(leaf)};
}

at::Tensor FrozenFeatures::pullback(const Kept& kept, const at::Tensor& gradient) const {
  return in_network(file_, "its backward pass fails", [&] {
    if (network_->has_backward()) return network_->backward(kept.images, gradient, colour_);
    return torch::autograd::grad({kept.features}, {kept.images}, {gradient.to(kept.features.scalar_type())}).front();
  });
}

}  // namespace ddls::tensor
