#pragma once
// Noise on the generator's output as a part of the latent (Che et al., NeurIPS 2020, Corollary 2): G'(z, z') = G(z) + s
// z', z' ~ N(0, I) of the shape of a sample, is supported everywhere, as Theorem 1 asks. Chains move w = (z, z'), one
// longer latent whose prior is N(0, I), so methods need not know. The score must come from a discriminator that was
// trained against such samples (train.ratio.output_noise).
#include "ddls/target.hpp"

namespace ddls::sampling {

// From functions of the generator's z, as make_target. Chains are [n, latent_dim + d], d the elements of a sample;
// decoded samples hold the noise. `noise_std`: s.
Target make_noised_target(std::function<at::Tensor(const at::Tensor& z, const at::Tensor& labels)> generate,
                          std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)> score,
                          int64_t latent_dim, const models::SampleShape& sample, double noise_std, c10::Device device,
                          Prior prior = Prior::normal);
// Of networks, which are frozen; by autograd, since inference graphs do not lead to the samples between them.
Target make_noised_target(models::NetworkPtr generator, models::NetworkPtr ratio, int64_t latent_dim,
                          const models::SampleShape& sample, double noise_std, c10::Device device,
                          Prior prior = Prior::normal);

}  // namespace ddls::sampling
