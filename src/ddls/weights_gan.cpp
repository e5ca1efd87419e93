#include "ddls/weights_gan.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "models/batch_norm.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/weight_map.hpp"

namespace ddls::sampling {
namespace {

models::SampleShape shape_of(const config::Config& config) {
  if (config.model.architecture == "mlp") return {2};
  if (config.data.image_size == 0 || config.data.channels == 0)
    fail(Exit::config, "weights say nothing about the size of images: give data.image_size and data.channels");
  return {config.data.channels, config.data.image_size, config.data.image_size};
}

// Evaluation normalises by the buffers. Those that were never measured give other samples, not an error.
void require_measured_norms(const models::Network& network, const fs::path& file) {
  int norms = 0, unmeasured = 0;
  for (const auto& module : network.modules()) {
    const auto* norm = module->as<models::BatchNormBase>();
    if (norm == nullptr) continue;
    ++norms;
    unmeasured += norm->unmeasured();
  }
  if (norms > 0 && unmeasured == norms)
    fail(Exit::data,
         "{}: its batch norms were never measured (each mean is 0 and each variance 1); of a run of this program take "
         "measured_generator.safetensors, or generator.safetensors of a ratio-* or refined-* checkpoint",
         file.string());
}

void require_finite_weights(const models::Network& network, const fs::path& file) {
  const auto check = [&](const auto& items) {
    for (const auto& item : items)
      if (item.value().is_floating_point() && !at::isfinite(item.value()).all().template item<bool>())
        fail(Exit::data, "{}: {} holds values that are not finite numbers: damaged, or training diverged",
             file.string(), item.key());
  };
  check(network.named_parameters());
  check(network.named_buffers());
}

}  // namespace

ForeignGan load_weights_gan(const fs::path& generator_file, const fs::path& discriminator_file,
                            const config::Config& config, c10::Device device) {
  const models::SampleShape shape = shape_of(config);
  const auto load = [&](models::Role role, const fs::path& file) {
    models::NetworkPtr network = models::make_network(config.model, role, shape, config.seed);
    models::load_weights(*network, role, file, config.model.weight_map);
    require_measured_norms(*network, file);
    require_finite_weights(*network, file);
    network->to(device);
    return network;
  };
  ForeignGan gan;
  gan.target = make_target(
      load(models::Role::generator, generator_file),
      load(config.train.ratio.steps > 0 ? models::Role::ratio : models::Role::discriminator, discriminator_file),
      config.model.latent_dim, device, prior_from_name(config.model.prior), nullptr,
      drift_type(config.sample.precision));
  gan.sample_shape = shape;
  std::string files = sha256_of_file(generator_file) + sha256_of_file(discriminator_file);
  if (!config.model.weight_map.empty()) files += sha256_of_file(config.model.weight_map);
  // Of the options, those that the weights do not fix.
  gan.digest = hash64(fmt::format("{} {} {}", files, config.model.upsampling, config.model.leaky_slope));
  return gan;
}

}  // namespace ddls::sampling
