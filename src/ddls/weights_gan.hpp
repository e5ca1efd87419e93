#pragma once
// A GAN whose weights lie in two .safetensors files and whose networks are of our architectures.
#include <filesystem>

#include "config/config.hpp"
#include "ddls/foreign_gan.hpp"

namespace ddls::sampling {

// The networks of config.model for images of data.image_size and data.channels (points where the architecture is mlp).
// Names of tensors are ours, or as model.weight_map says. The discriminator is built as in a run: of the widths for the
// ratio where train.ratio.steps says that one is fitted. Its score is taken for the log-ratio as it is. Throws Error:
// missing, config, data (names the file).
ForeignGan load_weights_gan(const std::filesystem::path& generator, const std::filesystem::path& discriminator,
                            const config::Config& config, c10::Device device);

}  // namespace ddls::sampling
