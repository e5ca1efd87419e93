#include "models/classifier.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/script.h>

#include "base/error.hpp"

namespace ddls::models {

Classifier::Classifier(const SampleShape& image, const std::vector<int64_t>& widths, int64_t classes) {
  if (widths.size() < 2) fail(Exit::config, "model.classifier_widths: at least two widths are needed");
  if (image.size() != 3 || image[1] % 2 != 0 || image[2] % 2 != 0)
    fail(Exit::config, "the classifier needs images of even height and width");
  int64_t from = image[0] * 4, height = image[1] / 2, width = image[2] / 2;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    if (i > 0) height /= 2, width /= 2;
    convolutions_.push_back("conv" + std::to_string(i));
    register_module(convolutions_.back(), torch::nn::Conv2d(torch::nn::Conv2dOptions(from, widths[i], 3).padding(1)));
    from = widths[i];
  }
  if (height < 1 || width < 1)
    fail(Exit::config, "model.classifier_widths: too many widths for images of {} x {}", image[1], image[2]);
  register_module("hidden", torch::nn::Linear(from * height * width, widths.back()));
  register_module("classes", torch::nn::Linear(widths.back(), classes));
}

at::Tensor Classifier::features(const at::Tensor& images, const at::Tensor&) {
  const auto p = named_parameters();
  at::Tensor h = at::pixel_unshuffle(images, 2);
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    if (i > 0) h = at::max_pool2d(h, 2);
    h = at::relu(at::conv2d(h, p[convolutions_[i] + ".weight"], p[convolutions_[i] + ".bias"], 1, 1));
  }
  return at::relu(at::linear(h.flatten(1), p["hidden.weight"], p["hidden.bias"]));
}

at::Tensor Classifier::forward(const at::Tensor& images, const at::Tensor&) {
  const auto p = named_parameters();
  return at::linear(features(images), p["classes.weight"], p["classes.bias"]);
}

void Classifier::save_torchscript(const std::filesystem::path& file) const {
  torch::jit::Module script("Classifier");
  for (const auto& item : named_parameters()) {
    std::string name = item.key();
    std::replace(name.begin(), name.end(), '.', '_');
    script.register_parameter(name, item.value().detach().cpu().clone().contiguous(), false);
  }
  std::string body = "def forward(self, images):\n  h = torch.pixel_unshuffle(images / 127.5 - 1.0, 2)\n";
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    if (i > 0) body += "  h = torch.max_pool2d(h, [2, 2])\n";
    body += fmt::format("  h = torch.relu(torch.conv2d(h, self.{0}_weight, self.{0}_bias, [1, 1], [1, 1]))\n",
                        convolutions_[i]);
  }
  body +=
      "  features = torch.relu(torch.linear(h.flatten(1), self.hidden_weight, self.hidden_bias))\n"
      "  return features, torch.linear(features, self.classes_weight, self.classes_bias)\n";
  script.define(body);
  script.eval();
  script.save(file.string());
}

}  // namespace ddls::models
