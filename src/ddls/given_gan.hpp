#pragma once
// A GAN that is given, not trained (model.architecture pretrained): its file as networks of ours, so that the phases
// after the adversarial one and everything that samples run on them as on trained ones. They have no parameters, and
// their state is the file's checksum: digests, keys and checkpoints of a run hold that in the place of weights.
#include <string>
#include <vector>

#include "config/config.hpp"
#include "models/network_fwd.hpp"

namespace ddls::sampling {

struct GivenGan {
  models::NetworkPtr generator = nullptr;
  models::NetworkPtr discriminator =
      nullptr;  // of an archive that has the programs `score` and `score_grad`; else null
  std::vector<int64_t> sample_shape = {};
  std::string sha256 = {};    // of the file
  std::string compiled = {};  // the instruction set of compiled programs that run; empty: none
};

// Opens model.generator, a .pt2 archive (decode and decode_vjp are needed) or a TorchScript generator, and tries it as
// pt2_gan.hpp and scripted_gan.hpp do. What the file says goes into `model`: latent_dim, prior, classes; and the
// ratio's architecture where it is auto. Not collective. Throws Error naming the file: missing; data; config for
// another device.
GivenGan open_given_gan(config::ModelConfig& model, c10::Device device);

}  // namespace ddls::sampling
