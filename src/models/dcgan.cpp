#include "models/dcgan.hpp"

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "base/error.hpp"
#include "models/batch_norm.hpp"
#include "models/network.hpp"

namespace ddls {
namespace {

// Side of the smallest feature map.
int64_t smallest_side(const SampleShape& image, size_t halvings) {
  const int64_t side = image[1] >> halvings;
  if (halvings == 0 || side < 1 || (side << halvings) != image[1])
    fail(Exit::config, "model: a side of {} pixels cannot be halved {} times (once per width)", image[1], halvings);
  return side;
}

torch::nn::Conv2d convolution(int64_t from, int64_t to, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(from, to, kernel).stride(stride).padding(1));
}

void use_channels_last(torch::nn::Module& module) {
  for (at::Tensor& parameter : module.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

class Generator : public Network {
 public:
  Generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image)
      : first_width_(widths.front()), side_(smallest_side(image, widths.size())) {
    linear_ = register_module(
        "linear", torch::nn::Linear(torch::nn::LinearOptions(latent_dim, first_width_ * side_ * side_).bias(false)));
    for (size_t i = 0; i < widths.size(); ++i) {
      norms_.push_back(register_module("norm" + std::to_string(i), std::make_shared<BatchNorm>(widths[i])));
      if (i + 1 == widths.size()) break;
      const auto options =
          torch::nn::ConvTranspose2dOptions(widths[i], widths[i + 1], 4).stride(2).padding(1).bias(false);
      ups_.push_back(register_module("up" + std::to_string(i), torch::nn::ConvTranspose2d(options)));
    }
    last_ = register_module("last", convolution(widths.back(), 4 * image[0], 3, 1));
    use_channels_last(*this);
  }

  at::Tensor forward(const at::Tensor& z, const at::Tensor&) override {
    // The linear layer's outputs are read as [side, side, width]: channels-last without a copy.
    at::Tensor h = linear_(z).view({z.size(0), side_, side_, first_width_}).permute({0, 3, 1, 2});
    h = at::relu(norms_.front()->forward(h));
    for (size_t i = 0; i < ups_.size(); ++i) h = at::relu(norms_[i + 1]->forward(ups_[i](h)));
    return at::tanh(at::pixel_shuffle(last_(h), 2));
  }

 private:
  int64_t first_width_, side_;
  torch::nn::Linear linear_{nullptr};
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::vector<torch::nn::ConvTranspose2d> ups_;
  torch::nn::Conv2d last_{nullptr};
};

class Discriminator : public Network {
 public:
  Discriminator(const std::vector<int64_t>& widths, int64_t hidden, const SampleShape& image) {
    const int64_t side = smallest_side(image, widths.size());
    int64_t from = 4 * image[0];
    for (size_t i = 0; i < widths.size(); ++i) {
      downs_.push_back(register_module("down" + std::to_string(i), i == 0 ? convolution(from, widths[i], 3, 1)
                                                                          : convolution(from, widths[i], 4, 2)));
      from = widths[i];
    }
    int64_t features = from * side * side;
    if (hidden > 0) {
      hidden_ = register_module("hidden", torch::nn::Linear(features, hidden));
      features = hidden;
    }
    logit_ = register_module("logit", torch::nn::Linear(features, 1));
    use_channels_last(*this);
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor&) override {
    at::Tensor h = at::pixel_unshuffle(x, 2).contiguous(at::MemoryFormat::ChannelsLast);
    for (auto& down : downs_) h = at::leaky_relu(down(h), 0.2);
    h = h.permute({0, 2, 3, 1}).flatten(1);
    if (!hidden_.is_empty()) h = at::leaky_relu(hidden_(h), 0.2);
    return logit_(h).squeeze(1);
  }

 private:
  std::vector<torch::nn::Conv2d> downs_;
  torch::nn::Linear hidden_{nullptr}, logit_{nullptr};
};

}  // namespace

NetworkPtr make_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image) {
  return std::make_shared<Generator>(latent_dim, widths, image);
}

NetworkPtr make_dcgan_discriminator(const std::vector<int64_t>& widths, int64_t hidden, const SampleShape& image) {
  return std::make_shared<Discriminator>(widths, hidden, image);
}

}  // namespace ddls
