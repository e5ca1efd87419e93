#pragma once
// Dense layers and the last layers of discriminators.
#include "inference/activation.hpp"
#include "inference/maps.hpp"

namespace ddls::inference {

// x W^T + b, then the activation: [n, from] -> [n, to].
OperationPtr dense(const DenseMap& map, Activation activation);
// The same with a bias per label: `biases` is [classes, to], and map.bias is left aside.
OperationPtr dense_with_labels(const DenseMap& map, const at::Tensor& biases, Activation activation);
// <w, x> + b: [n, k] -> [n]. `weights` [1, k] and `bias` [1] or undefined. x is of `type`, the sum and the result of
// the weights' own: in bfloat16 a logit of 5 would be known to 0.03 only.
OperationPtr logit(const DenseMap& map, at::ScalarType type);
// <w_y, x> + b with weights per label, [classes, k].
OperationPtr logit_with_labels(const DenseMap& map, at::ScalarType type);

}  // namespace ddls::inference
