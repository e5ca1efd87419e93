#pragma once
// A GAN from elsewhere as one .pt2 archive (tensor/pt2_archive.hpp), which tools/export_gan.py writes. Its programs
// take z [n, k] as the generator does and, where it is conditional, labels [n]:
//   decode(z, y) -> samples: images in [-1, 1] as [n, C, H, W] or points [n, d];  ratio(z, y) -> log-ratios [n];
//   ratio_grad(z, y) -> (log-ratios [n], their gradient with respect to z [n, k]).
// An archive may also have the three that work on samples; without them nothing rates reals, or samples that moved:
//   score(x, y) -> [n];  score_grad(x, y) -> ([n], gradient with respect to x);  decode_vjp(z, y, v) -> [n, k], v times
//   the generator's Jacobian.
#include "config/config.hpp"
#include "ddls/foreign_gan.hpp"
#include "tensor/pt2_archive.hpp"

namespace ddls::sampling {

// `model` with latent_dim, prior and classes of the archive in the place of defaults. Throws Error(data): a bad
// ddls.json, or `model` says something else than the archive.
config::ModelConfig model_of_pt2(const tensor::Pt2Archive& archive, const config::ModelConfig& model);

// Loads all programs and tries them: the archive's self-test and compiled programs (pt2_choice.hpp), then the rules of
// gan_probe.hpp for every program, and that the programs agree with each other. `model` as model_of_pt2 gives it. The
// target has no score_by and cannot be corrected where the archive lacks the programs for samples. Throws Error naming
// the file: data; config for a device that the archive was not made for.
ForeignGan load_pt2_gan(const tensor::Pt2Archive& archive, const config::ModelConfig& model, c10::Device device);

}  // namespace ddls::sampling
