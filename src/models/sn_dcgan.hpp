#pragma once
// The "standard CNN" of SN-GAN (Miyato et al. 2018, appendix; public code pfnet-research/chainer-gan-lib) for square
// images. Where that code takes the first batch norm per unit, this one takes it per channel, as in the paper's other
// nets.
#include "models/network_fwd.hpp"

namespace ddls::models {

// linear to [w0, s, s], BN, ReLU; per further width 4x4 stride-2 transposed convolution, BN, ReLU; 3x3 convolution to
// the image, tanh. Modules linear, norm0..., up0..., last.
NetworkPtr make_sn_dcgan_generator(int64_t latent_dim, const std::vector<int64_t>& widths, const SampleShape& image);
// 3x3 convolution to w0; per further width a 4x4 stride-2 and a 3x3 convolution to it; leaky ReLU of `slope` after
// each; linear to one raw logit. Spectral norm on every layer. Modules conv0..., logit.
NetworkPtr make_sn_dcgan_discriminator(const std::vector<int64_t>& widths, double slope, const SampleShape& image);

}  // namespace ddls::models
