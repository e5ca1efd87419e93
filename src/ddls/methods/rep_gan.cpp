// REP-GAN (Wang et al., ECML-PKDD 2021) moves in latent space by MALA at a fixed step: the same kernel under its own name
// and with its published settings (tau = 0.01, noise 0.1, 640 steps: T = 1).
#include "ddls/method.hpp"

namespace ddls {

Method rep_gan(const RepGanConfig& config, const Target& target, const Noise& noise) {
  MalaConfig kernel;
  kernel.steps = config.steps;
  kernel.step_sizes = {config.step_size};
  kernel.adapt = false;
  Method method = mala(kernel, target, noise);
  method.name = "rep_gan";
  return method;
}

}  // namespace ddls
