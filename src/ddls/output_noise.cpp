#include "ddls/output_noise.hpp"

#include <ATen/ATen.h>

#include "models/network.hpp"

namespace ddls::sampling {

Target make_noised_target(std::function<at::Tensor(const at::Tensor&, const at::Tensor&)> generate,
                          std::function<at::Tensor(const at::Tensor&, const at::Tensor&)> score, int64_t latent_dim,
                          const models::SampleShape& sample, double noise_std, c10::Device device, Prior prior) {
  const int64_t noise_dim = c10::multiply_integers(sample);
  const auto noised = [=](const at::Tensor& w, const at::Tensor& labels) {
    const at::Tensor x = generate(latent_of(prior, w.narrow(1, 0, latent_dim)), labels);
    return x + w.narrow(1, latent_dim, noise_dim).reshape(x.sizes()) * noise_std;
  };
  Target target = make_target(noised, std::move(score), latent_dim + noise_dim, device);
  target.latents_by = [=](const at::Tensor& w) {
    return at::cat({latent_of(prior, w.narrow(1, 0, latent_dim)), w.narrow(1, latent_dim, noise_dim)}, 1);
  };
  return target;
}

Target make_noised_target(models::NetworkPtr generator, models::NetworkPtr ratio, int64_t latent_dim,
                          const models::SampleShape& sample, double noise_std, c10::Device device, Prior prior) {
  freeze(*generator);
  freeze(*ratio);
  Target target =
      make_noised_target([generator](const at::Tensor& z, const at::Tensor& y) { return generator->forward(z, y); },
                         [ratio](const at::Tensor& x, const at::Tensor& y) { return ratio->forward(x, y); }, latent_dim,
                         sample, noise_std, device, prior);
  target.features_by = features_of(ratio);
  return target;
}

}  // namespace ddls::sampling
