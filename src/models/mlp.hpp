#pragma once
// ReLU multilayer perceptron: linear layers of the given widths, ReLU between them. The 2-D networks of the paper's
// first experiment.
#include "models/network_fwd.hpp"

namespace ddls::models {

NetworkPtr make_mlp(int64_t inputs, const std::vector<int64_t>& widths, int64_t outputs);
// One output, returned as [n]. `frequencies`: sin(f x_j) and cos(f x_j) of every coordinate join the inputs, so that
// narrow layers can follow a density ratio that changes over short distances (Tancik et al. 2020, Fourier features).
NetworkPtr make_mlp_discriminator(int64_t inputs, const std::vector<int64_t>& widths,
                                  const std::vector<double>& frequencies = {});

}  // namespace ddls::models
