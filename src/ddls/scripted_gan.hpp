#pragma once
// A GAN from elsewhere, as two TorchScript files: G.forward(z [n, k]) or (z, labels [n]) gives samples, images in [-1,
// 1] as [n, C, H, W] or points [n, d]; D.forward(x) or (x, labels) gives logits [n] or [n, 1]. Both differentiable.
#include <filesystem>

#include "config/config.hpp"
#include "ddls/foreign_gan.hpp"
#include "tensor/foreign_network.hpp"

namespace ddls::sampling {

// One of the two, in eval mode with its parameters frozen; `option` names it. Throws Error: missing, data.
tensor::ForeignNetwork load_scripted_network(const std::filesystem::path& file, const char* option, c10::Device device);

// Puts both into eval mode, freezes their parameters, and tries them on prior draws (gan_probe.hpp). Uses latent_dim,
// prior and classes of `model`. Throws Error naming the file: missing; data for what is no TorchScript or breaks a rule
// of the probe. What the interpreter refuses later, in the middle of work, is Error(data) with the file, too.
ForeignGan load_scripted_gan(const std::filesystem::path& generator, const std::filesystem::path& discriminator,
                             const config::ModelConfig& model, c10::Device device);

}  // namespace ddls::sampling
