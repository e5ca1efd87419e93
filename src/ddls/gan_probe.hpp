#pragma once
// What a generator and a discriminator that others made must keep to, tried on prior draws: one probe for every kind of
// file.
#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "ddls/prior.hpp"
#include "tensor/network_probe.hpp"

namespace ddls::sampling {

// G.call(z [n, k], labels) -> one tensor: images in [-1, 1] as [n, 1 or 3, H, W] or points [n, d]; D.call(x, labels) ->
// one tensor of scores, [n] or [n, 1]. float32, differentiable. Returns the shape of a sample. Throws Error(data)
// naming the file, the cause and the cure (network_probe.hpp); also where images lie in [0, 1] or [0, 255], or scores
// look like probabilities.
std::vector<int64_t> probe_gan(const tensor::ForeignNetwork& generator, const tensor::ForeignNetwork& discriminator,
                               const config::ModelConfig& model, c10::Device device);

// Its parts, for a file that is no pair of networks.
struct ProbedGenerator {
  tensor::ProbeRows latents, samples;  // the same rows, at least 8
};
// `differentiable`: its backward pass is tried, too.
ProbedGenerator probe_generator(const tensor::ForeignNetwork& generator, const config::ModelConfig& model,
                                c10::Device device, bool differentiable = true);
// A discriminator on these samples.
void probe_discriminator(const tensor::ForeignNetwork& discriminator, const config::ModelConfig& model,
                         const tensor::ProbeRows& samples);
// Warns of scores that never differ, or differ too much for log-ratios.
void warn_of_scores(const std::string& file, const at::Tensor& scores);

}  // namespace ddls::sampling
