#pragma once
// Arithmetic of a network, as publications count it: 2 FLOPs per multiply-add of convolutions, transposed convolutions
// and dense layers; biases, norms, activations, pooling and the products inside attention are left out.
#include <cstdint>

#include <ATen/core/Tensor.h>

#include "models/network_fwd.hpp"

namespace ddls::models {

// Of one forward of one sample. Runs the network once on `one`, [1, ...], in eval mode, and restores its mode.
int64_t forward_flops(Network& network, const at::Tensor& one, const at::Tensor& label = {});
// Of one chain-step: energy and its gradient with respect to z. The gradient of a layer with respect to its input takes
// as many multiply-adds as the layer itself, so this is twice the forward of both networks.
int64_t chain_step_flops(Network& generator, Network& discriminator, const at::Tensor& one_latent,
                         const at::Tensor& label = {});

}  // namespace ddls::models
