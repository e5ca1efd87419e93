#pragma once
#include "inference/operation.hpp"

namespace ddls::inference {

// [n, d] -> [n, d + 2 d f]: x, sin(frequency x_j) and cos(frequency x_j), the frequencies running fastest.
// `frequencies`: f elements.
OperationPtr fourier_features(const at::Tensor& frequencies);

}  // namespace ddls::inference
