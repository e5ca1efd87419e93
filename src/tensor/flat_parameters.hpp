#pragma once
// One buffer holds all parameters of a network, a twin holds all gradients; the module's parameters and gradients are
// views into them (offsets are multiples of 64 bytes; strides are kept, so channels-last weights stay so). All-reduce,
// Adam, EMA, broadcast, digest and checkpoint are then one call on one tensor.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace ddls::tensor {

struct ParameterSlice {
  std::string name;
  int64_t offset = 0, numel = 0;
  at::Tensor parameter;  // the module's own tensor
};

class FlatParameters {
 public:
  explicit FlatParameters(torch::nn::Module& module);

  at::Tensor& values() { return values_; }
  const at::Tensor& values() const { return values_; }
  at::Tensor& gradients() { return gradients_; }
  const at::Tensor& gradients() const { return gradients_; }
  std::span<const ddls::tensor::ParameterSlice> slices() const { return slices_; }

  // The only legal way to zero: torch's own zero_grad() would detach the views.
  void zero_gradients();
  // Throws Error(internal) naming the parameter whose value or gradient left the buffers.
  void check_views() const;
  uint64_t digest() const;

 private:
  at::Tensor values_, gradients_;
  std::vector<ddls::tensor::ParameterSlice> slices_;
};

}  // namespace ddls::tensor
