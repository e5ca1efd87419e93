#pragma once
// Residual GANs for square images: SN-GAN (Miyato et al. 2018, 32 to 128 pixels), its projection cGAN (Miyato and
// Koyama 2018) and WGAN-GP (Gulrajani et al. 2017). Layouts as in the authors' public code; docs/models.md has the
// table.
#include "models/network_fwd.hpp"

namespace ddls::models {

struct ResnetGeneratorLayout {
  int64_t latent_dim = 0;
  std::vector<int64_t> widths;  // bottom, then blocks
  int64_t classes = 0;
  bool bilinear = false;  // blocks enlarge bilinearly; else nearest
};

// Linear to [w0, s, s]; a block per further width, each of which doubles the side; batch norm, ReLU, 3x3 convolution to
// the image, tanh. With `classes` > 0 the norms of the blocks have a gain and offset per class; the last norm never
// has. Modules linear, block0..., norm, last. Throws Error(config) where the side cannot be halved that often.
NetworkPtr make_resnet_generator(const ResnetGeneratorLayout& layout, const SampleShape& image);

struct ResnetDiscriminatorLayout {
  std::vector<int64_t> widths;  // of the blocks; the first block is the one on the image
  int64_t downsamplings = 0;    // the first so many blocks halve the side
  int64_t classes = 0;          // > 0: projection, <embedding(label), features> joins the logit
  bool spectral = true;         // on every layer
  bool mean_pooling = false;    // global mean (WGAN-GP) or sum (SN-GAN)
  bool logit_bias = true;       // of the last linear layer
};

// Blocks, ReLU, global pooling, linear to one raw logit. Modules block0..., logit, label.
NetworkPtr make_resnet_discriminator(const ResnetDiscriminatorLayout& layout, const SampleShape& image);

}  // namespace ddls::models
