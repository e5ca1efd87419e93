#pragma once
// Hierarchical latents (BigGAN, Brock et al. 2019): the first part of z goes through all layers, the other parts set
// gains and offsets of inner norms. The tape carries z to those, and their gradients back.
#include "inference/maps.hpp"
#include "inference/operation.hpp"

namespace ddls::inference {

// The first operation of such a graph: [n, k] -> [n, part], the first columns. All of z goes to the tape.
OperationPtr first_latents(int64_t part);

// norm_and_relu of a map with `by_latents`, which are those from column `first_latent` on.
OperationPtr modulated_norm_and_relu(const FeatureMap& map, at::ScalarType type, int64_t first_latent);

}  // namespace ddls::inference
