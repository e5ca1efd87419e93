#pragma once
// From a file and overrides to a checked Config. No MPI here: the caller runs it on every rank (the files are small)
// and lets rank 0 speak.
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/schema.hpp"

namespace ddls::config {

void bind(Section& root, Config& config);  // bind.cpp: every key of the program

// Rules that join several keys, those of samplers included.
std::vector<Conflict> check(const Config& config);  // check.cpp

// `file` may be empty: `defaults` as they are, which also say what samplers there are (pipeline/read_config.hpp).
// `base:` chains are followed (relative to the file that names them; a cycle is an error), the nearer file wins, then
// `overrides` in order. Checks single values (bind.cpp) and combinations (check.cpp). Throws Error(config) with all
// problems, one per line "file:line:col: path.to.key: message" (or "--set key=value: ..."); Error(missing) if a file is
// not there.
Config load_config(const std::string& file, const std::vector<std::string>& overrides, const Config& defaults);
// The resolved configuration: every key. Reading it back gives the same values, wherever the file lies.
std::string to_yaml(const Config& config, bool comments = true);
// A line "path.to.key: FROM -> TO" for every value that differs.
std::string differences(const Config& from, const Config& to);
// What stands in the keys of checkpoints: the same without comments, and without options that were added after runs had
// been stored (Field::later) where they have their default.
std::string key_text(const Config& config);

}  // namespace ddls::config
