#include "models/factory.hpp"

#include "base/error.hpp"
#include "models/dcgan.hpp"
#include "models/initialise.hpp"
#include "models/mlp.hpp"
#include "models/network.hpp"

namespace ddls {
namespace {

std::string text_of(const SampleShape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

NetworkPtr make_mlp_network(const ModelConfig& config, Role role, const SampleShape& shape) {
  if (shape.size() != 1)
    fail(Exit::config, "model.architecture mlp makes points, the data are images {}; use dcgan", text_of(shape));
  if (role == Role::generator) return make_mlp(config.latent_dim, config.generator_widths, shape[0]);
  if (role == Role::ratio) return make_mlp_discriminator(shape[0], config.ratio_widths, config.ratio_frequencies);
  return make_mlp_discriminator(shape[0], config.discriminator_widths);
}

NetworkPtr make_dcgan_network(const ModelConfig& config, Role role, const SampleShape& shape) {
  if (shape.size() != 3 || shape[1] != shape[2])
    fail(Exit::config, "model.architecture dcgan makes square images, the data are {}", text_of(shape));
  if (role == Role::generator) return make_dcgan_generator(config.latent_dim, config.generator_widths, shape);
  if (role == Role::ratio) return make_dcgan_discriminator(config.ratio_widths, config.ratio_hidden, shape);
  return make_dcgan_discriminator(config.discriminator_widths, 0, shape);
}

}  // namespace

NetworkPtr make_network(const ModelConfig& config, Role role, const SampleShape& sample_shape, uint64_t seed) {
  const auto role_key = static_cast<int64_t>(role);
  if (config.architecture == "mlp") {
    NetworkPtr network = make_mlp_network(config, role, sample_shape);
    initialise_mlp(*network, seed, role_key);
    return network;
  }
  if (config.architecture == "dcgan") {
    NetworkPtr network = make_dcgan_network(config, role, sample_shape);
    if (role == Role::ratio)  // a plain classifier: N(0, 0.02) would start it too flat to learn under instance noise
      initialise_he(*network, 0.2, 0.5, seed, role_key);
    else
      initialise_normal(*network, 0.02, seed, role_key);
    return network;
  }
  fail(Exit::config, "model.architecture: there is no '{}'", config.architecture);
}

int64_t parameter_count(const Network& network) {
  int64_t count = 0;
  for (const at::Tensor& parameter : network.parameters()) count += parameter.numel();
  return count;
}

}  // namespace ddls
