#pragma once
// The conditional perceptrons of the public DDLS reproduction on MNIST: every class has a learnt vector, of its own in
// each network, that joins the input.
#include "models/network_fwd.hpp"

namespace ddls::models {

// [z; vector] -> dense layers of the given widths, each with leaky ReLU and all but the first with batch norm before it
// -> dense layer to the image, tanh. Modules label, layer0..., norm1..., last.
NetworkPtr make_mlp_cgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, int64_t classes,
                                   int64_t embedding_dim, double slope, const SampleShape& image);
// [image; vector] -> dense layers with leaky ReLU, all but the first followed by dropout -> one raw logit. Modules
// label, layer0..., dropout1..., logit. In training mode the masks need models/dropout.hpp's key.
NetworkPtr make_mlp_cgan_discriminator(const std::vector<int64_t>& widths, int64_t classes, int64_t embedding_dim,
                                       double slope, double dropout, const SampleShape& image);

}  // namespace ddls::models
