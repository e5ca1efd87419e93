#pragma once
// What `inspect` counts of the samples of a set. Ranks count their own blocks; the sums are put together on one.
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace ddls::pipeline {

// One sample.
struct Seen {
  std::string size;                      // "256x192", width before height; empty for points
  int64_t channels = 0;                  // 0 for points
  std::string format;                    // as it is stored; empty: in an array
  std::vector<std::string> conversions;  // tensor/image_header.hpp
  uint64_t content = 0;                  // hash of the decoded sample
  std::string damage;                    // why it cannot be decoded; else empty
};

struct SetTally {
  std::map<std::string, int64_t> sizes, channels, formats, converted;
  int64_t damaged = 0;
  std::string first_damage;
  std::vector<uint64_t> contents;  // of samples that are not damaged, by id
  std::vector<int64_t> ids;        // theirs

  void add(int64_t id, const Seen& seen);
  void operator+=(const SetTally& of_later_ids);
};

// All but `contents` and `ids`.
Json to_json(const SetTally& tally);
SetTally tally_from(const Json& json);

// Samples with the same content: each list holds the ids of two or more, ascending; by their first id.
std::vector<std::vector<int64_t>> duplicates(const SetTally& tally);

}  // namespace ddls::pipeline
