// Moments and scaling per feature against elementwise operations in float64: values, gradients, gradients of gradients.
#include "models/feature_moments.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "tensor/noise.hpp"
#include "test_device.hpp"

namespace ddls::models::feature_moments_test {
namespace {

at::Tensor draws(at::IntArrayRef shape, int64_t id) {
  return tensor::Noise{6}
      .normal({id, id + 1}, c10::multiply_integers(shape), 0, Stream::init, test::device())
      .view(shape);
}

at::Tensor per_feature(const at::Tensor& values, const at::Tensor& x) {
  return x.dim() == 2 ? values.unsqueeze(0) : values.view({1, -1, 1, 1});
}

using Tensors = std::vector<at::Tensor>;

// A value of both passes, its gradients, and the gradients of the first one's norm; `x`, scale and shift are leaves.
struct Ours {
  static Tensors moments(const at::Tensor& x) {
    const FeatureMoments m = feature_moments(x);
    return {m.mean, m.variance};
  }
  static at::Tensor scaled(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
    return scale_features(x, scale, shift);
  }
};

struct Plain {
  static Tensors moments(const at::Tensor& x) {
    const at::Tensor mean = x.mean(all_but_features(x));
    return {mean, (x - per_feature(mean, x)).square().mean(all_but_features(x))};
  }
  static at::Tensor scaled(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
    return x * per_feature(scale, x) + per_feature(shift, x);
  }
};

template <typename Way>
Tensors results_of(const at::Tensor& values, bool twice) {
  const int64_t features = values.size(1);
  const at::Tensor x = values.detach().clone().requires_grad_(),
                   scale = draws({features}, 1).to(at::kDouble).requires_grad_(),
                   shift = draws({features}, 2).to(at::kDouble).requires_grad_(), weights = draws(x.sizes(), 3);
  const Tensors moments = Way::moments(x);
  const at::Tensor y = Way::scaled(x, scale + moments[0], shift * moments[1]).to(at::kDouble);
  at::Tensor value = (at::tanh(y) * weights.to(at::kDouble)).sum();
  if (twice) value = torch::autograd::grad({value}, {x}, {}, true, true)[0].to(at::kDouble).square().sum();
  Tensors all = torch::autograd::grad({value}, {x, scale, shift});
  all.insert(all.end(), {moments[0].detach(), moments[1].detach(), y.detach()});
  return all;
}

void expect_close(const at::Tensor& values, at::ScalarType type, bool twice, double tolerance) {
  const Tensors ours = results_of<Ours>(values.to(type), twice),
                plain = results_of<Plain>(values.to(type).to(at::kDouble), twice);
  for (size_t i = 0; i < ours.size(); ++i) {
    const double error = ((ours[i].to(at::kDouble) - plain[i]).norm() / plain[i].norm()).item<double>();
    EXPECT_LT(error, tolerance) << "result " << i << " of " << values.sizes() << ", " << type << ", twice " << twice;
  }
}

TEST(FeatureMoments, ValuesGradientsAndTheirGradients) {
  const at::Tensor images = draws({6, 5, 3, 4}, 0) * 0.7 + 1;
  for (const at::Tensor& x : {images, images.contiguous(at::MemoryFormat::ChannelsLast), draws({40, 7}, 4) - 0.5})
    for (const bool twice : {false, true}) {
      expect_close(x, at::kDouble, twice, 1e-12);
      expect_close(x, at::kFloat, twice, 1e-5);
      expect_close(x, at::kBFloat16, twice, 0.02);
    }
}

TEST(FeatureMoments, AMeanFarFromZero) {
  const at::Tensor x = draws({64, 8, 4, 4}, 0) * 0.1 + 20;
  const FeatureMoments m = feature_moments(x);
  EXPECT_LT((m.variance - x.to(at::kDouble).var({0, 2, 3}, false)).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace ddls::models::feature_moments_test
