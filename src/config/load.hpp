#pragma once
// From a file and overrides to a checked Config. No MPI here: the caller runs it on every rank (the files are small)
// and lets rank 0 speak.
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/schema.hpp"

namespace ddls {

void bind(Section& root, Config& config);   // bind.cpp: every key of the program

// `file` may be empty: the defaults. `base:` chains are followed (relative to the file that names them; a cycle is an
// error), the nearer file wins, then `overrides` in order. Checks single values and combinations (bind.cpp).
// Throws Error(config) with all problems, one per line; Error(missing) if a file is not there.
Config load_config(const std::string& file, const std::vector<std::string>& overrides);
std::string to_yaml(const Config& config, bool comments = true);

}  // namespace ddls
