#pragma once
// Self-attention over the positions of an image (Zhang et al. 2019).
#include "inference/maps.hpp"
#include "inference/operation.hpp"

namespace ddls::inference {

struct AttentionMap {
  ConvolutionMap query, key, value, output;  // 1x1, without bias; the output's already scaled by the layer's strength
};

// x + output(softmax(q k^T) v), where q is of every position and k, v are the greatest of 2x2 positions. [n, C, H, W],
// H and W even.
OperationPtr attention(const AttentionMap& map);

}  // namespace ddls::inference
