#include "models/form/frozen.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "base/error.hpp"

namespace ddls {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::string_view;

// Operators that PyTorch's compiler uses: in every wheel with oneDNN, but without a C++ name.
struct OneDnn {
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, Text, Scalars,
                            std::optional<Text>);
  using Convolution = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                 at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, Text, Scalars,
                                 std::optional<Text>);
  using Transposed = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::IntArrayRef,
                                at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, Text, Scalars,
                                std::optional<Text>);
  std::optional<c10::OperatorHandle> reorder_linear = find("mkldnn::_reorder_linear_weight"),
                                     reorder_convolution = find("mkldnn::_reorder_convolution_weight"),
                                     reorder_transposed = find("mkldnn::_reorder_convolution_transpose_weight"),
                                     linear = find("mkldnn::_linear_pointwise"),
                                     convolution = find("mkldnn::_convolution_pointwise"),
                                     transposed = find("mkldnn::_convolution_transpose_pointwise");

  static std::optional<c10::OperatorHandle> find(const char* name) {
    return c10::Dispatcher::singleton().findSchema({name, ""});
  }
  bool complete() const {
    return reorder_linear && reorder_convolution && reorder_transposed && linear && convolution && transposed;
  }
};

const OneDnn& onednn() {
  static const OneDnn operators;
  return operators;
}

bool usable_for(const at::Tensor& weight) {
  return weight.is_cpu() && weight.scalar_type() == at::kFloat && onednn().complete();
}

at::Tensor call_boxed(const c10::OperatorHandle& operation, torch::jit::Stack stack) {
  operation.callBoxed(stack);
  return std::move(stack.front()).toTensor();
}

std::optional<at::Tensor> optional_of(const at::Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; }

std::vector<int64_t> both(int64_t value) { return {value, value}; }

Text name_of(Activation activation) {
  switch (activation.kind) {
    case Activation::Kind::none:
      return "none";
    case Activation::Kind::relu:
      return "relu";
    case Activation::Kind::leaky_relu:
      return "leaky_relu";
    case Activation::Kind::tanh:
      return "tanh";
  }
  fail(Exit::internal, "an activation without a name");
}

Scalars scalars_of(Activation activation) {
  Scalars scalars;
  if (activation.kind == Activation::Kind::leaky_relu) scalars.push_back(at::Scalar(activation.slope));
  return scalars;
}

// oneDNN reaches twice the rate of MKL's products on AMD processors with AVX-512 and the same elsewhere, but takes some
// 50 us more per call.
bool product_pays(const at::Tensor& weight) {
  constexpr int64_t worth_it = 4096;
  return usable_for(weight) && at::get_cpu_capability() == "AVX512" && weight.numel() >= worth_it;
}

}  // namespace

FrozenProduct::FrozenProduct(const at::Tensor& weight, const at::Tensor& bias, Way way)
    : onednn_(way == Way::faster ? product_pays(weight) : way == Way::onednn),
      multiply_adds_(weight.numel()),
      bias_(bias) {
  if (onednn_)
    weight_ = call_boxed(*onednn().reorder_linear, {weight.contiguous(), c10::IValue()});
  else
    weight_ = weight.t().contiguous();
}

at::Tensor FrozenProduct::operator()(const at::Tensor& x) const {
  if (onednn_) {
    static const auto call = onednn().linear->typed<OneDnn::Linear>();
    return call.call(x, weight_, optional_of(bias_), "none", Scalars(), "");
  }
  return bias_.defined() ? at::addmm(bias_, x, weight_) : at::mm(x, weight_);
}

OperationWork FrozenProduct::work() const {
  return {.kind = "dense",
          .way = onednn_ ? "oneDNN" : "ATen",
          .plain_multiply_adds = multiply_adds_,
          .multiply_adds = multiply_adds_,
          .weight_bytes = multiply_adds_ * weight_.element_size()};
}

FrozenConvolution::FrozenConvolution(const ConvolutionMap& map, Activation activation)
    : map_(map), shape_(map.weight.sizes().vec()), activation_(activation) {
  if (map.weight.size(2) == 1 && map.stride == 1 && map.padding == 0 && !map.transposed) {
    product_.emplace(map.weight.flatten(1), map.bias);
    map_.weight.reset();
    return;
  }
  if (winograd::pays_for(map.weight, map.stride, map.padding))
    winograd_kernels_ = {map.transposed ? winograd::Result::big : winograd::Result::small,
                         winograd::transformed(map.weight.to(at::kDouble), map.stride).to(map.weight.scalar_type())};
  if (!usable_for(map.weight)) return;
  if (map.transposed)
    onednn_weight_ = call_boxed(*onednn().reorder_transposed, {map.weight, both(map.padding), both(0), both(map.stride),
                                                               both(1), int64_t{1}, c10::IValue()});
  else
    onednn_weight_ = call_boxed(*onednn().reorder_convolution,
                                {map.weight, both(map.padding), both(map.stride), both(1), int64_t{1}, c10::IValue()});
  map_.weight.reset();
}

at::Tensor FrozenConvolution::by_winograd(const at::Tensor& x) const {
  if (map_.transposed) return activation_.apply(winograd::small_to_big(x, winograd_kernels_, map_.bias));
  using Kind = Activation::Kind;
  if (activation_.kind == Kind::relu || activation_.kind == Kind::leaky_relu)
    return winograd::big_to_small(x, winograd_kernels_, {.bias = map_.bias, .slope = activation_.slope});
  return activation_.apply(winograd::big_to_small(x, winograd_kernels_, {.bias = map_.bias}));
}

// oneDNN's 1x1 convolutions on prepared weights are ten times slower than its products at some sizes.
at::Tensor FrozenConvolution::by_product(const at::Tensor& x) const {
  const at::Tensor y = (*product_)(x.permute({0, 2, 3, 1}).flatten(0, 2));
  return y.view({x.size(0), x.size(2), x.size(3), y.size(1)}).permute({0, 3, 1, 2});
}

bool FrozenConvolution::takes_winograd(at::IntArrayRef x) const {
  const int64_t to_small = map_.transposed ? 1 : map_.stride;
  return winograd_kernels_.defined() && winograd::tiles_fit(x[2] / to_small, x[3] / to_small);
}

OperationWork FrozenConvolution::work(at::IntArrayRef x) const {
  const int64_t kernel = shape_[2], pairs = shape_[0] * shape_[1];
  const auto small = [&](int64_t side) {
    return map_.transposed ? side : (side + 2 * map_.padding - kernel) / map_.stride + 1;
  };
  const int64_t positions = small(x[2]) * small(x[3]);
  const bool winograd = takes_winograd(x), onednn = onednn_weight_.defined();
  const at::Tensor& plain = onednn ? onednn_weight_ : map_.weight;
  if (product_) {
    OperationWork work = product_->work();
    work.kind = "convolution 1x1";
    work.multiply_adds *= positions;
    work.plain_multiply_adds = std::max<int64_t>(1, map_.published_taps) * work.multiply_adds;
    return work;
  }
  const int64_t taps = map_.published_taps > 0 ? map_.published_taps : kernel * kernel;
  return {.kind = fmt::format("{}convolution {}x{}{}", map_.transposed ? "transposed " : "", kernel, kernel,
                              map_.stride > 1 ? fmt::format(" stride {}", map_.stride) : ""),
          .way = winograd ? "minimal filtering"
                 : onednn ? "oneDNN"
                          : "ATen",
          .plain_multiply_adds = taps * pairs * positions,
          // A tile of 2x2 positions takes one product per plane of its kernels.
          .multiply_adds = winograd ? winograd_kernels_.numel * positions / 4 : kernel * kernel * pairs * positions,
          .weight_bytes = (winograd ? winograd_kernels_.numel : plain.numel()) * plain.element_size()};
}

at::Tensor FrozenConvolution::operator()(const at::Tensor& x) const {
  const int64_t padding[] = {map_.padding, map_.padding}, stride[] = {map_.stride, map_.stride}, ones[] = {1, 1},
                zeros[] = {0, 0};
  if (product_) return activation_.apply(by_product(x));
  if (takes_winograd(x.sizes())) return by_winograd(x);
  if (!onednn_weight_.defined()) {
    at::Tensor y = map_.transposed ? at::conv_transpose2d(x, map_.weight, map_.bias, stride, padding)
                                   : at::conv2d(x, map_.weight, map_.bias, stride, padding);
    return activation_.apply(std::move(y));
  }
  if (map_.transposed) {
    static const auto call = onednn().transposed->typed<OneDnn::Transposed>();
    return call.call(x, onednn_weight_, optional_of(map_.bias), padding, zeros, stride, ones, 1, name_of(activation_),
                     scalars_of(activation_), "");
  }
  static const auto call = onednn().convolution->typed<OneDnn::Convolution>();
  return call.call(x, onednn_weight_, optional_of(map_.bias), padding, stride, ones, 1, name_of(activation_),
                   scalars_of(activation_), "");
}

ConvolutionMap adjoint(const ConvolutionMap& map) {
  const int64_t last = map.weight.size(2) - 1;
  if (map.transposed || map.stride > 1)
    return {.weight = map.weight,
            .bias = {},
            .stride = map.stride,
            .padding = map.padding,
            .transposed = !map.transposed,
            .published_taps = map.published_taps};
  // With stride 1 that is a convolution too, by the kernel turned by 180 degrees, and convolutions are the faster kind.
  return {.weight = map.weight.flip({2, 3}).transpose(0, 1).contiguous(at::MemoryFormat::ChannelsLast),
          .bias = {},
          .stride = 1,
          .padding = last - map.padding,
          .published_taps = map.published_taps};
}

}  // namespace ddls
