#include "train/shards.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"

namespace ddls::train {
namespace {

constexpr int64_t least_shards = 4;

int64_t common_divisor(const std::vector<int64_t>& batches) {
  return std::accumulate(batches.begin(), batches.end(), int64_t{0},
                         [](int64_t a, int64_t b) { return std::gcd(a, b); });
}

// Of all phases, whether they are asked for or not: what is chosen stands in the run's config.yaml, which is checked
// alike.
std::vector<int64_t> batches_of(const config::TrainConfig& train) {
  std::vector<int64_t> batches{train.batch, train.ratio.batch, train.ratio.refine.batch, train.classifier.batch};
  if (train.generator_batch > 0) batches.push_back(train.generator_batch);
  return batches;
}

// The line "  shards: 4" of a checkpoint's key.
std::optional<int64_t> shards_of_key(const std::string& key) {
  constexpr std::string_view name = "\n  shards: ";
  const size_t at = key.find(name);
  if (at == key.npos) return std::nullopt;
  int64_t shards = 0;
  const char* begin = key.data() + at + name.size();
  const auto [end, error] = std::from_chars(begin, key.data() + key.size(), shards);
  return error == std::errc() && end != begin ? std::optional(shards) : std::nullopt;
}

}  // namespace

int64_t choose_shards(const std::vector<int64_t>& batches, int64_t ranks) {
  const int64_t common = common_divisor(batches);
  for (int64_t shards = std::max(least_shards, ranks); shards < common; ++shards)
    if (common % shards == 0) return shards;
  return common;
}

void resolve_shards(config::Config& config, int64_t ranks, std::optional<int64_t> begun) {
  if (config.train.shards != config::automatic_shards) return;
  const std::vector<int64_t> batches = batches_of(config.train);
  const bool goes_on = begun && *begun > 0 && common_divisor(batches) % *begun == 0;
  const int64_t chosen = choose_shards(batches, ranks);
  config.train.shards = goes_on ? *begun : chosen;
  if (goes_on && *begun != chosen)
    log::info(
        "train.shards: auto is {}, as in the checkpoints of this run ({} ranks alone would take {}; --resume never "
        "starts anew)",
        *begun, ranks, chosen);
  else if (config.train.shards != least_shards)
    log::info("train.shards: auto is {} for {} ranks; the weights are those of that number of shards at any rank count",
              config.train.shards, ranks);
}

std::optional<int64_t> shards_of_checkpoints(const fs::path& checkpoints) {
  if (!fs::is_directory(checkpoints)) return std::nullopt;
  std::optional<int64_t> shards;
  fs::file_time_type newest{};
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    const fs::path file = entry.path() / "state.json";
    std::error_code gone;  // another job may train here, and remove old ones meanwhile
    const auto time = fs::last_write_time(file, gone);
    if (gone || entry.path().extension() == ".partial") continue;
    std::ifstream stream(file);
    const auto state = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!state.is_object() || !state.contains("key") || !state["key"].is_string()) continue;
    const auto found = shards_of_key(state["key"].get<std::string>());
    if (!found || (shards && time < newest)) continue;
    shards = found;
    newest = time;
  }
  return shards;
}

}  // namespace ddls::train
