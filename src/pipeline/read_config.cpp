#include "pipeline/read_config.hpp"

#include "config/load.hpp"
#include "ddls/registry.hpp"
#include "metrics/registry.hpp"

namespace ddls::pipeline {

config::Config default_config() {
  config::Config config;
  sampling::add_samplers(config.sample);
  metrics::add_metrics(config.evaluate);
  return config;
}

config::Config read_config(const std::string& file, const std::vector<std::string>& overrides) {
  return config::load_config(file, overrides, default_config());
}

}  // namespace ddls::pipeline
