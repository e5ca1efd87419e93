#pragma once
// How many parts a training batch is cut into where the configuration leaves it open (train.shards: auto): 4, so that
// one to four ranks get the same bits; with more ranks at least one part for each. A run that has begun keeps its
// number.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "config/config.hpp"

namespace ddls::train {

// The smallest number that cuts every batch evenly and is neither below 4 nor below `ranks`; the greatest there is
// where none is.
int64_t choose_shards(const std::vector<int64_t>& batches, int64_t ranks);

// Puts a number in place of `auto`, one that cuts the batches of all phases. `begun`: of the run's checkpoints. Says so
// in the log where it is another than 4.
void resolve_shards(config::Config& config, int64_t ranks, std::optional<int64_t> begun = std::nullopt);

// What the phases of a run were trained with, as the newest of its checkpoints says; nothing where there is none.
std::optional<int64_t> shards_of_checkpoints(const std::filesystem::path& checkpoints);

}  // namespace ddls::train
