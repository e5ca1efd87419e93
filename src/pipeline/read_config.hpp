#pragma once
// The configuration of this program: load_config (config/load.hpp) with what the program's parts bring of options.
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ddls {

// Every default, with the samplers of the registry.
Config default_config();

// Throws what load_config throws.
Config read_config(const std::string& file, const std::vector<std::string>& overrides);

}  // namespace ddls
