#pragma once
// A small convolutional classifier: space-to-depth by 2, then per width but the last a 3x3 convolution with ReLU (2x2
// max pooling between them), a linear layer to the last width with ReLU (the features), a linear layer to the classes.
#include <filesystem>

#include "models/network.hpp"

namespace ddls::models {

class Classifier : public Network {
 public:
  // Throws Error(config) for an odd side or fewer than two widths.
  Classifier(const SampleShape& image, const std::vector<int64_t>& widths, int64_t classes);
  at::Tensor forward(const at::Tensor& images,
                     const at::Tensor& = {}) override;  // [n, C, H, W] in [-1, 1] -> logits [n, classes]

  at::Tensor features(const at::Tensor& images, const at::Tensor& = {}) override;  // [n, last width]

  // The same function as TorchScript: forward(uint8 NCHW) -> (features, logits).
  void save_torchscript(const std::filesystem::path& file) const;

 private:
  std::vector<std::string> convolutions_;  // names
};

}  // namespace ddls::models
