#include "tensor/flat_parameters.hpp"

#include <torch/nn/module.h>

#include <cstddef>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::tensor {
namespace {

constexpr int64_t alignment_bytes = 64;

// Strides under which `tensor` fills its elements without gaps: its own (channels-last stays so), or row-major.
at::Tensor dense_view(const at::Tensor& buffer, const at::Tensor& tensor, int64_t offset) {
  if (tensor.is_non_overlapping_and_dense()) return buffer.as_strided(tensor.sizes(), tensor.strides(), offset);
  return buffer.narrow(0, offset, tensor.numel()).view(tensor.sizes());
}

bool begins_at(const at::Tensor& tensor, const at::Tensor& buffer, int64_t offset) {
  return tensor.defined() &&
         tensor.data_ptr() == static_cast<char*>(buffer.data_ptr()) + offset * buffer.element_size();
}

}  // namespace

FlatParameters::FlatParameters(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  const auto parameters = module.named_parameters();
  auto options = at::TensorOptions().dtype(at::kFloat);
  if (!parameters.is_empty()) options = parameters[0].value().options();
  const int64_t step = alignment_bytes / static_cast<int64_t>(options.dtype().itemsize());
  int64_t total = 0;
  for (const auto& item : parameters) {
    const at::Tensor& parameter = item.value();
    ensure(parameter.options().type_equal(options) && parameter.device() == options.device(),
           "parameter {} is of another type or on another device than the first", item.key());
    slices_.push_back({item.key(), total, parameter.numel(), parameter});
    total += (parameter.numel() + step - 1) / step * step;
  }
  options = options.requires_grad(false);
  values_ = at::zeros({total}, options);
  gradients_ = at::zeros({total}, options);
  for (ParameterSlice& slice : slices_) {
    const at::Tensor view = dense_view(values_, slice.parameter, slice.offset);
    view.copy_(slice.parameter);
    slice.parameter.set_data(view);
    slice.parameter.mutable_grad() = dense_view(gradients_, slice.parameter, slice.offset);
  }
}

void FlatParameters::zero_gradients() {
  const at::NoGradGuard no_grad;
  gradients_.zero_();
}

void FlatParameters::check_views() const {
  for (const ParameterSlice& slice : slices_) {
    ensure(begins_at(slice.parameter, values_, slice.offset),
           "parameter {} left the flat buffer (was the module moved or converted?)", slice.name);
    ensure(begins_at(slice.parameter.grad(), gradients_, slice.offset),
           "the gradient of {} left the flat buffer (zero_grad(), or backward with create_graph?)", slice.name);
  }
}

uint64_t FlatParameters::digest() const {
  const at::Tensor host = values_.to(at::kCPU);
  return hash64({static_cast<const std::byte*>(host.data_ptr()), host.nbytes()});
}

}  // namespace ddls::tensor
