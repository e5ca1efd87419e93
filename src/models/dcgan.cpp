#include "models/dcgan.hpp"

#include <torch/torch.h>

#include "base/error.hpp"
#include "models/batch_norm.hpp"

namespace ddls {
namespace {

// Side of the smallest feature map.
int64_t smallest_side(const SampleShape& image, size_t halvings) {
  const int64_t side = image[1] >> halvings;
  if (halvings == 0 || side < 1 || (side << halvings) != image[1])
    fail(Exit::config, "model: a side of {} pixels cannot be halved {} times (one per width)", image[1], halvings);
  return side;
}

class Generator : public Network {
 public:
  Generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image)
      : first_width_(widths.front()), side_(smallest_side(image, widths.size())) {
    linear_ = register_module("linear", torch::nn::Linear(latent_dim, first_width_ * side_ * side_));
    for (size_t i = 0; i < widths.size(); ++i) {
      norms_.push_back(register_module("norm" + std::to_string(i), std::make_shared<BatchNorm>(widths[i])));
      const bool last = i + 1 == widths.size();
      const auto options = torch::nn::ConvTranspose2dOptions(widths[i], last ? image[0] : widths[i + 1], 4)
                               .stride(2).padding(1).bias(last);
      convolutions_.push_back(register_module("up" + std::to_string(i), torch::nn::ConvTranspose2d(options)));
    }
  }

  at::Tensor forward(const at::Tensor& z) override {
    at::Tensor h = linear_(z).view({z.size(0), first_width_, side_, side_});
    for (size_t i = 0; i < norms_.size(); ++i) h = convolutions_[i](torch::relu(norms_[i]->forward(h)));
    return torch::tanh(h);
  }

 private:
  int64_t first_width_, side_;
  torch::nn::Linear linear_{nullptr};
  std::vector<std::shared_ptr<BatchNorm>> norms_;
  std::vector<torch::nn::ConvTranspose2d> convolutions_;
};

class Discriminator : public Network {
 public:
  Discriminator(const std::vector<int64_t>& widths, const SampleShape& image) {
    const int64_t side = smallest_side(image, widths.size());
    int64_t from = image[0];
    for (const int64_t width : widths) {
      const auto options = torch::nn::Conv2dOptions(from, width, 4).stride(2).padding(1);
      convolutions_.push_back(
          register_module("down" + std::to_string(convolutions_.size()), torch::nn::Conv2d(options)));
      from = width;
    }
    linear_ = register_module("linear", torch::nn::Linear(from * side * side, 1));
  }

  at::Tensor forward(const at::Tensor& x) override {
    at::Tensor h = x;
    for (auto& convolution : convolutions_) h = torch::leaky_relu(convolution(h), 0.2);
    return linear_(h.flatten(1)).squeeze(1);
  }

 private:
  std::vector<torch::nn::Conv2d> convolutions_;
  torch::nn::Linear linear_{nullptr};
};

}  // namespace

NetworkPtr make_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image) {
  return std::make_shared<Generator>(latent_dim, widths, image);
}

NetworkPtr make_dcgan_discriminator(const std::vector<int64_t>& widths, const SampleShape& image) {
  return std::make_shared<Discriminator>(widths, image);
}

}  // namespace ddls
