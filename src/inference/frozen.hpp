#pragma once
// Products and convolutions with a weight that never changes. Convolutions of 1x1 are products over positions. Others
// run, on a CPU, by Winograd's algorithm (inference/winograd/winograd.hpp) where that pays, else in float32 through
// oneDNN, with the weight laid out once; elsewhere through the general functions of ATen.
#include <optional>

#include "inference/activation.hpp"
#include "inference/maps.hpp"
#include "inference/winograd/winograd.hpp"

namespace ddls::inference {

// x W^T + b: W is [to, from], b [to] or undefined.
class FrozenProduct {
 public:
  enum class Algorithm { faster, onednn, aten };  // faster: of this machine
  FrozenProduct(const at::Tensor& weight, const at::Tensor& bias, Algorithm algorithm = Algorithm::faster);
  at::Tensor operator()(const at::Tensor& x) const;  // a tensor of its own
  OperationWork work() const;

 private:
  bool onednn_;
  int64_t multiply_adds_;
  at::Tensor weight_, bias_;  // the weight transposed, unless oneDNN has it
};

class FrozenConvolution {
 public:
  // `activation` joins the convolution where that saves a pass over the result.
  FrozenConvolution(const ConvolutionMap& map, Activation activation);
  at::Tensor operator()(const at::Tensor& x) const;  // a tensor of its own
  OperationWork work(at::IntArrayRef x) const;

 private:
  bool takes_winograd(at::IntArrayRef x) const;
  at::Tensor by_winograd(const at::Tensor& x) const;
  at::Tensor by_product(const at::Tensor& x) const;

  ConvolutionMap map_;          // its weight only where ATen multiplies
  std::vector<int64_t> shape_;  // of the weight
  Activation activation_;
  // As far as there are such ways:
  std::optional<FrozenProduct> product_;
  at::Tensor onednn_weight_;
  winograd::Kernels winograd_kernels_;
};

// Of the convolution without its bias: its transpose as a linear map, from the gradient of results to that of inputs.
ConvolutionMap adjoint(const ConvolutionMap& map);

}  // namespace ddls::inference
