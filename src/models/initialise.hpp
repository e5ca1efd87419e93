#pragma once
// Initial weights as a pure function of (seed, network key, index of the parameter), so that every rank makes the same.
// Parameters of one dimension keep what their layer gave them (biases 0, batch-norm gains 1) unless said.
#include <cstdint>

#include "models/network_fwd.hpp"

namespace ddls {

// U(-b, b) with b = 1/sqrt(fan in) for weights and biases of linear layers: torch's own default.
void initialise_uniform_fan_in(Network& network, uint64_t seed, int64_t key);
// ReLU perceptrons on few inputs: weights N(0, 2 / fan in), the last N(0, 1 / fan in); biases 0, the first U(-1, 1), so that
// the kinks of the first layer lie all over the data and not on lines through the origin.
void initialise_mlp(Network& network, uint64_t seed, int64_t key);
// Weights N(0, sd^2), biases 0: DCGAN.
void initialise_normal(Network& network, double sd, uint64_t seed, int64_t key);
// Weights N(0, 2 / ((1 + slope^2) fan in)) for leaky ReLU (He et al. 2015), the last one times `last_gain`; biases 0.
void initialise_he(Network& network, double slope, double last_gain, uint64_t seed, int64_t key);

}  // namespace ddls
