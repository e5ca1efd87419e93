#include "train/gradient_penalty.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace ddls::train {
namespace {

// [n, numel] gradients of each sample's own logit.
at::Tensor input_gradient(const at::Tensor& x, const at::Tensor& logits) {
  return torch::autograd::grad({logits.sum()}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)
      .front()
      .flatten(1);
}

}  // namespace

at::Tensor r1_penalty(const at::Tensor& real, const at::Tensor& real_logits) {
  return input_gradient(real, real_logits).square().sum(1).mean() * 0.5;
}

at::Tensor interpolation_penalty(const std::function<at::Tensor(const at::Tensor& x)>& discriminator,
                                 const at::Tensor& real, const at::Tensor& fake, const at::Tensor& u) {
  std::vector<int64_t> shape(static_cast<size_t>(real.dim()), 1);
  shape.front() = real.size(0);
  const at::Tensor between = at::lerp(fake.detach(), real.detach(), u.view(shape)).requires_grad_(true);
  const at::Tensor squared = input_gradient(between, discriminator(between)).square().sum(1);
  // The root's own gradient is infinite at 0.
  return ((squared + 1e-12).sqrt() - 1).square().mean();
}

}  // namespace ddls::train
