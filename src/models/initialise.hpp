#pragma once
// Initial weights as a pure function of (seed, network key, index of the parameter), so that every rank makes the same.
// Biases are 0; gains and offsets of batch norms, per feature or per class, keep what their layer gave them (1 and 0)
// unless said.
#include <cstdint>

#include "models/network_fwd.hpp"

namespace ddls::models {

// U(-b, b) with b = 1/sqrt(fan in) for weights and biases of linear layers: torch's own default.
void initialise_uniform_fan_in(Network& network, uint64_t seed, int64_t key);
// ReLU perceptrons on few inputs: weights N(0, 2 / fan in), the last N(0, 1 / fan in); biases 0, the first U(-1, 1), so
// that the kinks of the first layer lie all over the data and not on lines through the origin.
void initialise_mlp(Network& network, uint64_t seed, int64_t key);
// Weights N(0, sd^2), biases 0: DCGAN.
void initialise_normal(Network& network, double sd, uint64_t seed, int64_t key);
// Weights N(0, 2 / ((1 + slope^2) fan in)) for leaky ReLU (He et al. 2015), the last one times `last_gain`; biases 0.
void initialise_he(Network& network, double slope, double last_gain, uint64_t seed, int64_t key);

// Weights U(-b, b) with b = gain sqrt(6 / (fan in + fan out)), fans counted with the kernel's area (Glorot and Bengio
// 2010); gain sqrt 2 in the convolutions conv1, conv2 of residual blocks, else 1: SN-GAN and WGAN-GP.
void initialise_glorot(Network& network, uint64_t seed, int64_t key);
// Weights, tables of classes among them, orthogonal as matrices [outputs, rest] (Saxe et al. 2014): BigGAN.
void initialise_orthogonal(Network& network, uint64_t seed, int64_t key);
// torch's defaults: linear layers, weights and biases, U(-1/sqrt(fan in), 1/sqrt(fan in)); embeddings N(0, 1).
void initialise_torch_default(Network& network, uint64_t seed, int64_t key);
// u of every spectral layer from a direction drawn for it, then `iterations` power iterations on the weights as they
// are.
void initialise_spectral_norm(Network& network, uint64_t seed, int64_t key, int64_t iterations = 15);

}  // namespace ddls::models
