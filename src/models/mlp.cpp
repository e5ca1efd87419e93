#include "models/mlp.hpp"

#include <torch/torch.h>

namespace ddls {
namespace {

class Mlp : public Network {
 public:
  Mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs, bool squeeze) : squeeze_(squeeze) {
    int64_t from = inputs;
    for (const int64_t width : widths) {
      add_layer(from, width);
      from = width;
    }
    add_layer(from, outputs);
  }

  at::Tensor forward(const at::Tensor& input) override {
    at::Tensor h = input;
    for (size_t i = 0; i + 1 < layers_.size(); ++i) h = torch::relu(layers_[i](h));
    h = layers_.back()(h);
    return squeeze_ ? h.squeeze(1) : h;
  }

 private:
  void add_layer(int64_t from, int64_t to) {
    layers_.push_back(register_module("layer" + std::to_string(layers_.size()), torch::nn::Linear(from, to)));
  }

  bool squeeze_;
  std::vector<torch::nn::Linear> layers_;
};

}  // namespace

NetworkPtr make_mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs) {
  return std::make_shared<Mlp>(inputs, widths, outputs, false);
}

NetworkPtr make_mlp_discriminator(int64_t inputs, const std::vector<int64_t>& widths) {
  return std::make_shared<Mlp>(inputs, widths, 1, true);
}

}  // namespace ddls
