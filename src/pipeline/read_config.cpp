#include "pipeline/read_config.hpp"

#include "config/load.hpp"
#include "ddls/registry.hpp"
#include "metrics/registry.hpp"

namespace ddls {

Config default_config() {
  Config config;
  add_samplers(config.sample);
  add_metrics(config.evaluate);
  return config;
}

Config read_config(const std::string& file, const std::vector<std::string>& overrides) {
  return load_config(file, overrides, default_config());
}

}  // namespace ddls
