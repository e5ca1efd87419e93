#pragma once
// What decides the weights of each phase, as YAML text with one "key: value" a line: stored in checkpoints, compared
// when a run goes on. Fields that only say how often to report or save are left out.
#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace ddls::train {

std::string gan_key(const config::Config& config, uint64_t data_digest);
std::string ratio_key(const config::Config& config, uint64_t data_digest);   // the generator's digest stands beside it
std::string refine_key(const config::Config& config, uint64_t data_digest);  // likewise, with the ratio's
std::string classifier_key(const config::Config& config, uint64_t data_digest);

// A key without its train.steps, to compare trainings of different lengths.
std::string for_any_steps(std::string key);

}  // namespace ddls::train
