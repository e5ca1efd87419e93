#pragma once
// Weights from elsewhere in our networks. A YAML file says how their tensors are named, for both networks:
//
//   generator:
//     - {theirs: 'l1\.(weight|bias)', ours: 'linear.$1', spatial: 4}
//     - {theirs: '.*\.num_batches_tracked'}
//   discriminator: [...]
//
// `theirs` is a regular expression (ECMAScript) for a whole name, `ours` the name here with $1 for its groups; without
// `ours` the tensor is left out. Every tensor needs a rule; several rules may take parts of one. What is done to it, in
// this order:
//   columns: first | second    this half of axis 1
//   reshape: [-1]              another shape of the same elements, one size may be -1
//   permute: [1, 0]            the order of the axes
//   spatial: s                 axis 0 runs over (channels, s, s) there and over (s, s, channels) here
//   add: x                     x joins every element
// Spectral norm: their weight_orig, weight_u, weight_v (torch.nn.utils.spectral_norm) are our weight, u, v. A layer
// whose u is in no file gets u and v by power iteration, one whose v is in none has it from u.
#include <filesystem>
#include <string>

#include "models/factory.hpp"
#include "models/network_fwd.hpp"

namespace ddls::models {

// The tensors of a .safetensors file as parameters and buffers of `network`, which has initial weights. `map`: the YAML
// file; empty: the names are ours. `role` chooses the list of rules (ratio: as discriminator). Leaves the network in
// eval mode. Throws Error: missing (no such file), config (the map: names file and line), data (the tensor that is
// missing, without a rule, given twice, or of another shape; names the file).
void load_weights(Network& network, Role role, const std::filesystem::path& file, const std::filesystem::path& map);

}  // namespace ddls::models
