#pragma once
// Rules of model.architecture pretrained: a generator that is given, so that a run begins with its density ratio.
#include <vector>

#include "config/config.hpp"
#include "config/schema.hpp"

namespace ddls::config {

void check_pretrained(const Config& config, std::vector<Conflict>& out);

}  // namespace ddls::config
