// load_weights CONFIG G D IN OUT [KEY=VALUE...]: the networks of the configuration with foreign weights. Reads z and
// label from IN, writes their outputs in eval mode (g, d) to OUT, both .safetensors. foreign_weights.py compares.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>

#include "base/error.hpp"
#include "config/load.hpp"
#include "ddls/registry.hpp"
#include "metrics/registry.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/weight_map.hpp"
#include "tensor/safetensors.hpp"

int main(int argc, char** argv) {
  using namespace ddls;
  if (argc < 6) return std::fputs("load_weights CONFIG G D IN OUT [KEY=VALUE...]\n", stderr), 64;
  try {
    config::Config defaults;
    sampling::add_samplers(defaults.sample);
    metrics::add_metrics(defaults.evaluate);
    const config::Config config = config::load_config(argv[1], {argv + 6, argv + argc}, defaults);
    const models::SampleShape shape{config.data.channels, config.data.image_size, config.data.image_size};
    const auto load = [&](models::Role role, const char* file) {
      models::NetworkPtr network = models::make_network(config.model, role, shape, 1);
      models::load_weights(*network, role, file, config.model.weight_map);
      return network;
    };
    const models::NetworkPtr g = load(models::Role::generator, argv[2]), d = load(models::Role::discriminator, argv[3]);
    const tensor::NamedTensors in = tensor::read_safetensors(argv[4]).tensors;
    const at::Tensor label = in.contains("label") ? in.at("label") : at::Tensor();
    at::NoGradGuard no_grad;
    const at::Tensor images = g->forward(in.at("z"), label);
    tensor::write_safetensors(argv[5], {{"g", images.contiguous()}, {"d", d->forward(images, label).contiguous()}});
  } catch (const Error& error) {
    return fmt::print(stderr, "{}\n", error.what()), static_cast<int>(error.code());
  }
  return 0;
}
