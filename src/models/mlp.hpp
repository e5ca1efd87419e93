#pragma once
// ReLU multilayer perceptron: linear layers of the given widths, ReLU between them. The 2-D networks of the paper's first
// experiment.
#include "models/network.hpp"

namespace ddls {

NetworkPtr make_mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs);
// The same with one output, returned as [n].
NetworkPtr make_mlp_discriminator(int64_t inputs, const std::vector<int64_t>& widths);

}  // namespace ddls
