#pragma once
// What the generators of the DCGAN family begin with.
#include <memory>
#include <vector>

#include "inference/operation.hpp"
#include "models/batch_norm.hpp"
#include "models/layers.hpp"

namespace ddls::models {

// A dense layer read as `width` maps of side x side, then transposed convolutions, each with its batch norm and ReLU:
// norms[0] is the dense layer's, norms[i + 1] that of ups[i].
inference::Operations upsampling_graph(at::ScalarType type, const Dense& linear, int64_t width, int64_t side,
                                       const std::vector<std::shared_ptr<BatchNorm>>& norms,
                                       const std::vector<std::shared_ptr<TransposedConvolution>>& ups);

}  // namespace ddls::models
