#include "inference/private_operators.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/format.h>

#include <array>

#include "base/error.hpp"

namespace ddls::inference::private_operators {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::string_view;
using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, Text, Scalars,
                          std::optional<Text>);
using Convolution = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::IntArrayRef,
                               at::IntArrayRef, at::IntArrayRef, int64_t, Text, Scalars, std::optional<Text>);
using Transposed = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::IntArrayRef,
                              at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, Text, Scalars,
                              std::optional<Text>);

enum Which { reorder_linear, reorder_convolution, reorder_transposed, run_linear, run_convolution, run_transposed };

// As of torch 2.11.
constexpr std::array<const char*, 6> schemas{
    "mkldnn::_reorder_linear_weight(Tensor self, int? batch_size=None) -> Tensor Y",
    "mkldnn::_reorder_convolution_weight(Tensor self, int[2] padding=0, int[2] stride=1, int[2] dilation=1, int "
    "groups=1, int[]? input_size=None) -> Tensor Y",
    "mkldnn::_reorder_convolution_transpose_weight(Tensor self, int[2] padding=0, int[2] output_padding=0, int[2] "
    "stride=1, int[2] dilation=1, int groups=1, int[]? input_size=None) -> Tensor Y",
    "mkldnn::_linear_pointwise(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
    "mkldnn::_convolution_pointwise(Tensor X, Tensor W, Tensor? B, int[] padding, int[] stride, int[] dilation, int "
    "groups, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
    "mkldnn::_convolution_transpose_pointwise(Tensor X, Tensor W, Tensor? B, int[] padding, int[] output_padding, "
    "int[] stride, int[] dilation, int groups, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y"};

struct Table {
  std::array<std::optional<c10::OperatorHandle>, schemas.size()> operators;
  std::string problem;
};

Table look_up() {
  Table table;
  for (size_t i = 0; i < schemas.size(); ++i) {
    const Text schema = schemas[i];
    const std::string name(schema.substr(0, schema.find('(')));
    table.operators[i] = c10::Dispatcher::singleton().findSchema({name, ""});
    if (!table.operators[i]) {
      table.problem = fmt::format("there is no operator {}", name);
    } else if (const std::string here = toString(table.operators[i]->schema()); here != schema) {
      table.problem = fmt::format("{} has another schema: {}", name, here);
    }
  }
  return table;
}

const Table& table() {
  static const Table made = look_up();
  return made;
}

const c10::OperatorHandle& handle(Which which) {
  ensure(table().problem.empty(), "{}", table().problem);
  return *table().operators[which];
}

at::Tensor call_boxed(Which which, torch::jit::Stack stack) {
  handle(which).callBoxed(stack);
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

}  // namespace

const std::string& problem() { return table().problem; }

at::Tensor prepare_linear(const at::Tensor& weight) {
  return call_boxed(reorder_linear, {weight.contiguous(), c10::IValue()});
}

at::Tensor prepare_convolution(const at::Tensor& weight, Geometry geometry) {
  return call_boxed(reorder_convolution,
                    {weight, both(geometry.padding), both(geometry.stride), both(1), int64_t{1}, c10::IValue()});
}

at::Tensor prepare_transposed(const at::Tensor& weight, Geometry geometry) {
  return call_boxed(reorder_transposed, {weight, both(geometry.padding), both(0), both(geometry.stride), both(1),
                                         int64_t{1}, c10::IValue()});
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias) {
  static const auto call = handle(run_linear).typed<Linear>();
  return call.call(x, prepared, optional_of(bias), "none", Scalars(), "");
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias, Geometry geometry,
                       Activation activation) {
  static const auto call = handle(run_convolution).typed<Convolution>();
  const int64_t padding[] = {geometry.padding, geometry.padding}, stride[] = {geometry.stride, geometry.stride},
                ones[] = {1, 1};
  return call.call(x, prepared, optional_of(bias), padding, stride, ones, 1, name_of(activation),
                   scalars_of(activation), "");
}

at::Tensor transposed_convolution(const at::Tensor& x, const at::Tensor& prepared, const at::Tensor& bias,
                                  Geometry geometry, Activation activation) {
  static const auto call = handle(run_transposed).typed<Transposed>();
  const int64_t padding[] = {geometry.padding, geometry.padding}, stride[] = {geometry.stride, geometry.stride},
                ones[] = {1, 1}, zeros[] = {0, 0};
  return call.call(x, prepared, optional_of(bias), padding, zeros, stride, ones, 1, name_of(activation),
                   scalars_of(activation), "");
}

}  // namespace ddls::inference::private_operators
