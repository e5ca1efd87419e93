#pragma once
// DCGAN-class networks (Radford et al. 2016) for square images. Sizes follow from the widths: each width halves or doubles
// the side once, so a side of 28 with two widths starts from 7 x 7.
#include "models/network.hpp"

namespace ddls {

// linear to [w0, s, s], BN, ReLU; for each further width: 4x4 stride-2 transposed convolution, BN, ReLU; one more of them
// to the image's channels; tanh.
NetworkPtr make_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image);
// for each width: 4x4 stride-2 convolution, leaky ReLU 0.2; then linear to one raw logit. No normalisation.
NetworkPtr make_dcgan_discriminator(const std::vector<int64_t>& widths, const SampleShape& image);

}  // namespace ddls
