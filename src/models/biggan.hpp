#pragma once
// BigGAN (Brock et al. 2019) for square images: an embedding shared by all conditional batch norms, a part of z for
// every block, self-attention, projection; spectral norm on every layer but the shared embedding. Layout and eps of the
// batch norms (1e-4) as in POSTECH-CVLab/PyTorch-StudioGAN.
#include "models/network_fwd.hpp"

namespace ddls::models {

struct BigGanGeneratorLayout {
  int64_t latent_dim = 0;       // a multiple of the number of widths
  std::vector<int64_t> widths;  // bottom, then blocks
  int64_t classes = 0, embedding_dim = 128;
  int64_t attention_side = 0;  // after the block whose output has this side; 0: none
};

// z is cut into one part per width. Linear of the first part to [w0, s, s]; block i under [embedding(label); part i +
// 1]; batch norm, ReLU, 3x3 convolution to the image, tanh. Modules embedding, linear, block0..., attention, norm,
// last.
NetworkPtr make_biggan_generator(const BigGanGeneratorLayout& layout, const SampleShape& image);

struct BigGanDiscriminatorLayout {
  std::vector<int64_t> widths;
  int64_t downsamplings = 0, classes = 0;
  int64_t attention_side = 0;  // after the first block whose output has this side
};

// Blocks, ReLU, global sum, linear plus projection to one raw logit. Modules block0..., attention, logit, label.
NetworkPtr make_biggan_discriminator(const BigGanDiscriminatorLayout& layout, const SampleShape& image);

}  // namespace ddls::models
