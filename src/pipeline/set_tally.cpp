#include "pipeline/set_tally.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/json.hpp"
#include "base/json_text.hpp"

namespace ddls::pipeline {
namespace {

using Counts = std::map<std::string, int64_t>;

void add_all(Counts& to, const Counts& from) {
  for (const auto& [key, count] : from) to[key] += count;
}

}  // namespace

void SetTally::add(int64_t id, const Seen& seen) {
  if (!seen.damage.empty()) {
    if (damaged++ == 0) first_damage = seen.damage;
    return;
  }
  if (!seen.size.empty()) ++sizes[seen.size];
  if (seen.channels > 0) ++channels[std::to_string(seen.channels)];
  if (!seen.format.empty()) ++formats[seen.format];
  for (const std::string& conversion : seen.conversions) ++converted[conversion];
  contents.push_back(seen.content);
  ids.push_back(id);
}

void SetTally::operator+=(const SetTally& of_later_ids) {
  add_all(sizes, of_later_ids.sizes);
  add_all(channels, of_later_ids.channels);
  add_all(formats, of_later_ids.formats);
  add_all(converted, of_later_ids.converted);
  if (damaged == 0) first_damage = of_later_ids.first_damage;
  damaged += of_later_ids.damaged;
  contents.insert(contents.end(), of_later_ids.contents.begin(), of_later_ids.contents.end());
  ids.insert(ids.end(), of_later_ids.ids.begin(), of_later_ids.ids.end());
}

Json to_json(const SetTally& tally) {
  return {{"sizes", tally.sizes},         {"channels", tally.channels}, {"formats", tally.formats},
          {"converted", tally.converted}, {"damaged", tally.damaged},   {"first_damage", as_utf8(tally.first_damage)}};
}

SetTally tally_from(const Json& json) {
  SetTally tally;
  tally.sizes = json["sizes"].get<Counts>();
  tally.channels = json["channels"].get<Counts>();
  tally.formats = json["formats"].get<Counts>();
  tally.converted = json["converted"].get<Counts>();
  tally.damaged = json["damaged"].get<int64_t>();
  tally.first_damage = json["first_damage"].get<std::string>();
  return tally;
}

std::vector<std::vector<int64_t>> duplicates(const SetTally& tally) {
  std::unordered_map<uint64_t, std::vector<int64_t>> by_content;
  by_content.reserve(tally.contents.size());
  for (size_t i = 0; i < tally.contents.size(); ++i) by_content[tally.contents[i]].push_back(tally.ids[i]);
  std::vector<std::vector<int64_t>> groups;
  for (auto& [content, ids] : by_content)
    if (ids.size() > 1) groups.push_back(std::move(ids));
  std::ranges::sort(groups);
  return groups;
}

}  // namespace ddls::pipeline
