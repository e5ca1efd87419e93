#include "models/factory.hpp"

#include "base/error.hpp"
#include "models/biggan.hpp"
#include "models/dcgan.hpp"
#include "models/feature_head.hpp"
#include "models/initialise.hpp"
#include "models/mlp.hpp"
#include "models/mlp_cgan.hpp"
#include "models/network.hpp"
#include "models/resnet.hpp"
#include "models/sn_dcgan.hpp"

namespace ddls::models {
namespace {

std::string text_of(const SampleShape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// The key that chose the family of a role's network.
const char* architecture_key(const config::ModelConfig& given, Role role) {
  return role == Role::ratio && given.ratio_architecture != "auto" ? "ratio_architecture" : "architecture";
}

NetworkPtr make_mlp_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (shape.size() != 1)
    fail(Exit::config, "model.{} mlp {} points, the data are images {}; use {}", architecture_key(config, role),
         role == Role::generator ? "makes" : "takes", text_of(shape),
         role == Role::ratio ? "dcgan or sn_resnet" : "dcgan");
  if (role == Role::generator) return make_mlp(config.latent_dim, config.generator_widths, shape[0]);
  if (role == Role::ratio) return make_mlp_discriminator(shape[0], config.ratio_widths, config.ratio_frequencies);
  return make_mlp_discriminator(shape[0], config.discriminator_widths);
}

void need_square_images(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (shape.size() != 3 || shape[1] != shape[2])
    fail(Exit::config, "model.{} {} {} square images, the data are {}", architecture_key(config, role),
         config.architecture, role == Role::ratio ? "takes" : "makes", text_of(shape));
}

// The ratio network is a discriminator of its own widths.
const std::vector<int64_t>& discriminator_widths(const config::ModelConfig& config, Role role) {
  return role == Role::ratio ? config.ratio_widths : config.discriminator_widths;
}

NetworkPtr make_dcgan_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator) return make_dcgan_generator(config.latent_dim, config.generator_widths, shape);
  const int64_t hidden = role == Role::ratio ? config.ratio_hidden : 0;
  return make_dcgan_discriminator(discriminator_widths(config, role), hidden, shape);
}

NetworkPtr make_sn_dcgan_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator) return make_sn_dcgan_generator(config.latent_dim, config.generator_widths, shape);
  return make_sn_dcgan_discriminator(discriminator_widths(config, role), config.leaky_slope, shape);
}

NetworkPtr make_sn_resnet_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator)
    return make_resnet_generator({.latent_dim = config.latent_dim,
                                  .widths = config.generator_widths,
                                  .classes = config.classes,
                                  .bilinear = config.upsampling == "bilinear"},
                                 shape);
  // Of the published networks only the one for CIFAR-10 has a last layer without bias.
  return make_resnet_discriminator(
      {.widths = discriminator_widths(config, role),
       .downsamplings = config.discriminator_downsamplings,
       .classes = config.classes,
       .spectral = true,
       .mean_pooling = false,
       .logit_bias = config.logit_bias == "always" || config.classes > 0 || shape[1] != 32},
      shape);
}

// As published for CIFAR-10: batch norm in the generator, no normalisation at all in the critic.
NetworkPtr make_wgangp_resnet_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator)
    return make_resnet_generator({.latent_dim = config.latent_dim, .widths = config.generator_widths}, shape);
  return make_resnet_discriminator({.widths = discriminator_widths(config, role),
                                    .downsamplings = config.discriminator_downsamplings,
                                    .classes = 0,
                                    .spectral = false,
                                    .mean_pooling = true,
                                    .logit_bias = true},
                                   shape);
}

NetworkPtr make_biggan_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator)
    return make_biggan_generator({.latent_dim = config.latent_dim,
                                  .widths = config.generator_widths,
                                  .classes = config.classes,
                                  .embedding_dim = config.embedding_dim,
                                  .attention_side = config.attention_side},
                                 shape);
  return make_biggan_discriminator({.widths = discriminator_widths(config, role),
                                    .downsamplings = config.discriminator_downsamplings,
                                    .classes = config.classes,
                                    .attention_side = config.attention_side},
                                   shape);
}

NetworkPtr make_mlp_cgan_network(const config::ModelConfig& config, Role role, const SampleShape& shape) {
  if (role == Role::generator)
    return make_mlp_cgan_generator(config.latent_dim, config.generator_widths, config.classes, config.embedding_dim,
                                   config.leaky_slope, shape);
  return make_mlp_cgan_discriminator(discriminator_widths(config, role), config.classes, config.embedding_dim,
                                     config.leaky_slope, config.dropout, shape);
}

// With initial weights, but for the directions of spectral norm.
NetworkPtr make_initialised(const config::ModelConfig& config, Role role, const SampleShape& shape, uint64_t seed) {
  const auto key = static_cast<int64_t>(role);
  if (config.architecture == "mlp") {
    NetworkPtr network = make_mlp_network(config, role, shape);
    initialise_mlp(*network, seed, key);
    return network;
  }
  if (config.architecture == "features") {
    NetworkPtr network = make_feature_head(config.ratio_extractor, config.ratio_widths, shape);
    initialise_mlp(*network, seed, key);
    return network;
  }
  need_square_images(config, role, shape);
  if (config.architecture == "dcgan") {
    NetworkPtr network = make_dcgan_network(config, role, shape);
    if (role == Role::ratio)  // a plain classifier: N(0, 0.02) would start it too flat to learn under instance noise
      initialise_he(*network, 0.2, 0.5, seed, key);
    else
      initialise_normal(*network, 0.02, seed, key);
    return network;
  }
  if (config.architecture == "sn_dcgan") {
    NetworkPtr network = make_sn_dcgan_network(config, role, shape);
    initialise_normal(*network, 0.02, seed, key);
    return network;
  }
  if (config.architecture == "sn_resnet" || config.architecture == "wgangp_resnet") {
    const bool spectral = config.architecture == "sn_resnet";
    NetworkPtr network =
        spectral ? make_sn_resnet_network(config, role, shape) : make_wgangp_resnet_network(config, role, shape);
    initialise_glorot(*network, seed, key);
    return network;
  }
  if (config.architecture == "biggan") {
    NetworkPtr network = make_biggan_network(config, role, shape);
    initialise_orthogonal(*network, seed, key);
    return network;
  }
  if (config.architecture == "mlp_cgan") {
    NetworkPtr network = make_mlp_cgan_network(config, role, shape);
    initialise_torch_default(*network, seed, key);
    return network;
  }
  fail(Exit::config, "model.architecture: there is no '{}'", config.architecture);
}

}  // namespace

NetworkPtr make_network(const config::ModelConfig& given, Role role, const SampleShape& sample_shape, uint64_t seed) {
  config::ModelConfig config = given;
  if (role == Role::ratio && given.ratio_architecture != "auto") config.architecture = given.ratio_architecture;
  if (config.pretrained())
    fail(Exit::config,
         "model.architecture: a pretrained generator is a file, no network that is made here; choose a "
         "family");
  // Not a rule of config/check.cpp: a GAN that comes as TorchScript files has classes, whatever the architecture says.
  const std::string& name = config.architecture;
  if (config.classes > 0 && name != "sn_resnet" && name != "biggan" && name != "mlp_cgan")
    fail(Exit::config, "model.classes: only for sn_resnet, biggan and mlp_cgan, but model.{} is {}",
         architecture_key(given, role), name);
  if (config.classes == 0 && (name == "biggan" || name == "mlp_cgan"))
    fail(Exit::config, "model.{}: {} is conditional, but there are no classes; choose another family",
         architecture_key(given, role), name);
  NetworkPtr network = make_initialised(config, role, sample_shape, seed);
  initialise_spectral_norm(*network, seed, static_cast<int64_t>(role));
  return network;
}

int64_t parameter_count(const Network& network) {
  int64_t count = 0;
  for (const at::Tensor& parameter : network.parameters()) count += parameter.numel();
  return count;
}

}  // namespace ddls::models
