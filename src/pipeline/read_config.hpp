#pragma once
// The configuration of this program: load_config (config/load.hpp) with what the program's parts bring of options.
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ddls::pipeline {

// Every default, with the samplers of the registry.
config::Config default_config();

// Throws what load_config throws.
config::Config read_config(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace ddls::pipeline
