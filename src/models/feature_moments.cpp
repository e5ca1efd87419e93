#include "models/feature_moments.hpp"

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>
#include <vector>

namespace ddls::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType sum_type(const at::Tensor& x) { return at::toOpMathType(x.scalar_type()); }

double count_of(const at::Tensor& x) { return static_cast<double>(x.numel() / x.size(1)); }

at::Tensor per_feature(const at::Tensor& values, const at::Tensor& x) {
  return over_positions(values.to(sum_type(x)), x);
}

// With elementwise operations: differentiable by autograd.
FeatureMoments plain_moments(const at::Tensor& x) {
  const auto [variance, mean] = at::var_mean(x.to(sum_type(x)), all_but_features(x), /*unbiased=*/false);
  return {mean.to(at::kDouble), variance.to(at::kDouble)};
}

at::Tensor plain_scaled(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
  return at::addcmul(per_feature(shift, x), x.to(sum_type(x)), per_feature(scale, x)).to(x.scalar_type());
}

// Zeros and ones stand for statistics that change nothing.
at::Tensor constant(const at::Tensor& x, double value) {
  return at::full({x.size(1)}, value, x.options().dtype(sum_type(x)));
}

at::Tensor scaled_at_once(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
  return std::get<0>(at::native_batch_norm(x, scale.to(sum_type(x)), shift.to(sum_type(x)), constant(x, 0),
                                           constant(x, 1), /*training=*/false, 0, /*eps=*/0));
}

struct Moments : torch::autograd::Function<Moments> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x) {
    // A momentum of 1 leaves nothing of what stood there, and the type of these is that of the sums.
    const auto [mean, variance] = at::batch_norm_update_stats(x, constant(x, 0), constant(x, 0), 1);
    const at::Tensor wide_mean = mean.to(at::kDouble);
    ctx->save_for_backward({x, wide_mean});
    return {wide_mean, variance.to(at::kDouble)};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const bool again = at::GradMode::is_enabled();
    const at::Tensor mean = again ? plain_moments(x).mean : saved[1];
    const at::Tensor slope = gradients[1] * (2 / count_of(x));
    const at::Tensor offset = gradients[0] / count_of(x) - slope * mean;
    return {again ? plain_scaled(x, slope, offset) : scaled_at_once(x, slope, offset)};
  }
};

struct Scaled : torch::autograd::Function<Scaled> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& scale,
                            const at::Tensor& shift) {
    ctx->save_for_backward({x, scale});
    return scaled_at_once(x, scale, shift);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &dy = gradients[0], &x = saved[0], &scale = saved[1];
    if (at::GradMode::is_enabled()) {
      const at::Tensor wide = dy.to(sum_type(x));
      const std::vector<int64_t> dims = all_but_features(x);
      return {(wide * per_feature(scale, x)).to(x.scalar_type()), (wide * x.to(sum_type(x))).sum(dims).to(at::kDouble),
              wide.sum(dims).to(at::kDouble)};
    }
    // Statistics of 0 and 1: the gradient of a norm's weight is then sum dy x.
    const auto [none, of_scale, of_shift] =
        at::native_batch_norm_backward(dy, x, constant(x, 1), constant(x, 0), constant(x, 1), {}, {}, /*train=*/false,
                                       /*eps=*/0, {false, true, true});
    const at::Tensor dx = ctx->needs_input_grad(0) ? scaled_at_once(dy, scale, at::zeros_like(scale)) : at::Tensor();
    return {dx, of_scale.to(at::kDouble), of_shift.to(at::kDouble)};
  }
};

}  // namespace

at::Tensor over_positions(const at::Tensor& values, const at::Tensor& x) {
  if (x.dim() == 2) return values;
  return values.unsqueeze(-1).unsqueeze(-1);
}

std::vector<int64_t> all_but_features(const at::Tensor& x) {
  std::vector<int64_t> dims{0};
  for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
  return dims;
}

FeatureMoments feature_moments(const at::Tensor& x) {
  if (!x.is_cpu()) return plain_moments(x);
  const variable_list both = Moments::apply(x);
  return {both[0], both[1]};
}

at::Tensor scale_features(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift) {
  return x.is_cpu() ? Scaled::apply(x, scale, shift) : plain_scaled(x, scale, shift);
}

}  // namespace ddls::models
