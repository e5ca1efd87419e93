#include "pipeline/inspect.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/json_text.hpp"
#include "pipeline/inspected_set.hpp"
#include "pipeline/set_record.hpp"
#include "version.hpp"

namespace ddls::pipeline {
namespace {

constexpr int64_t block_size = 256;
constexpr size_t most_listed = 20;  // of sizes, classes and duplicates in the text

template <typename T>
at::Tensor as_rows(const std::vector<T>& values, at::ScalarType type) {
  at::Tensor rows = at::empty({static_cast<int64_t>(values.size())}, type);
  if (!values.empty()) std::memcpy(rows.mutable_data_ptr(), values.data(), values.size() * sizeof(T));
  return rows;
}

template <typename T>
std::vector<T> as_vector(const at::Tensor& rows) {
  std::vector<T> values(static_cast<size_t>(rows.numel()));
  if (!values.empty()) std::memcpy(values.data(), rows.const_data_ptr(), values.size() * sizeof(T));
  return values;
}

// On rank 0, of all ranks; ranks hold their ids in order.
SetTally gathered(const SetTally& mine, dist::Communicator& comm) {
  const std::string text = json_text(to_json(mine)) + "\n";
  const auto texts = comm.gather_rows(as_rows(std::vector<char>(text.begin(), text.end()), at::kByte));
  const auto contents = comm.gather_rows(as_rows(mine.contents, at::kLong));
  const auto ids = comm.gather_rows(as_rows(mine.ids, at::kLong));
  SetTally all;
  if (!texts) return all;
  const std::vector<char> bytes = as_vector<char>(*texts);
  for (auto from = bytes.begin(); from != bytes.end();) {
    const auto end = std::find(from, bytes.end(), '\n');
    all += tally_from(Json::parse(from, end));
    from = end + 1;
  }
  all.contents = as_vector<uint64_t>(*contents);
  all.ids = as_vector<int64_t>(*ids);
  return all;
}

Json duplicates_record(const InspectedSet& set, const SetTally& tally) {
  const std::vector<std::vector<int64_t>> groups = duplicates(tally);
  int64_t surplus = 0;
  Json examples = Json::array();
  for (const std::vector<int64_t>& ids : groups) {
    surplus += static_cast<int64_t>(ids.size()) - 1;
    if (examples.size() == most_listed) continue;
    Json names = Json::array();
    for (const int64_t id : ids)
      if (names.size() < most_listed) names.push_back(set.name_of(id));
    examples.push_back(names);
  }
  return {{"surplus", surplus}, {"groups", groups.size()}, {"examples", examples}};
}

Json record_of(const std::string& path, const InspectedSet& set, SetTally tally) {
  Json record{{"schema", 1},      {"version", version::project}, {"set", path}, {"name", set.name},
              {"kind", set.kind}, {"count", set.count}};
  if (set.more.is_object()) record.update(set.more);
  if (set.count == 0) return record;
  if (set.shape.size() == 1) record["dimensions"] = set.shape[0];
  if (tally.channels.size() > 1) tally.converted["grey_to_rgb"] = tally.channels["1"];
  const Json seen = to_json(tally);
  for (const char* key : {"sizes", "channels", "formats", "converted"}) record[key] = seen[key];
  record["classes"] = class_record(set.labels, set.class_names);
  if (!set.unlabelled.empty()) record["unlabelled_why"] = set.unlabelled;
  if (set.left_out) record["left_out"] = pipeline::record_of(*set.left_out);
  record["damaged"] = {{"count", tally.damaged}};
  if (tally.damaged > 0) record["damaged"]["first"] = tally.first_damage;
  record["duplicates"] = duplicates_record(set, tally);
  return record;
}

// "16x16 (10), 32x32 (2)", the most frequent first.
std::string listed(const Json& counts) {
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [key, count] : counts.items()) sorted.emplace_back(-count.get<int64_t>(), key);
  std::ranges::sort(sorted);
  std::string text;
  for (size_t i = 0; i < std::min(sorted.size(), most_listed); ++i)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", sorted[i].second, -sorted[i].first);
  if (sorted.size() > most_listed) text += fmt::format(", and {} more", sorted.size() - most_listed);
  return text;
}

std::string text_of(const Json& record, const InspectedSet& set) {
  std::string text;
  const auto say = [&](const char* what, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<12}{}\n", what, as_utf8(value));
  };
  say("set", record["set"].get<std::string>());
  say("kind", set.kind);
  if (set.more.is_object())
    for (const auto& [key, value] : set.more.items())
      say(key == "statistics_of" ? "samples" : key.c_str(),
          value.is_string() ? value.get<std::string>() : json_text(value));
  if (set.count == 0) return text;
  say("samples", std::to_string(set.count));
  if (record.contains("dimensions")) say("dimensions", json_text(record["dimensions"]));
  for (const char* key : {"sizes", "channels", "formats", "converted"}) say(key, listed(record[key]));
  const Json& classes = record["classes"];
  say("classes", classes.is_null()
                     ? "none" + (set.unlabelled.empty() ? "" : ": " + set.unlabelled)
                     : fmt::format("{}: {}", classes["with_samples"].get<int64_t>(), listed(classes["counts"])));
  if (set.left_out) say("left out", set.left_out->text().empty() ? "nothing" : set.left_out->text());
  const Json& damaged = record["damaged"];
  say("damaged", damaged["count"] == 0 ? "none"
                                       : fmt::format("{}, the first: {}", damaged["count"].get<int64_t>(),
                                                     damaged["first"].get<std::string>()));
  const Json& copies = record["duplicates"];
  if (copies["groups"] == 0) return text + fmt::format("{:<12}none\n", "duplicates");
  say("duplicates", fmt::format("{} beyond the first of each, in {} groups, as:", copies["surplus"].get<int64_t>(),
                                copies["groups"].get<int64_t>()));
  for (const Json& names : copies["examples"]) {
    std::vector<std::string> parts;
    for (const Json& name : names) parts.push_back(name.get<std::string>());
    say("", fmt::format("{}", fmt::join(parts, " = ")));
  }
  return text;
}

}  // namespace

Inspection inspect_set(const std::string& path, dist::Communicator& comm) {
  SetTally mine;
  const InspectedSet set = comm.together([&] { return open_inspected_set(path); });
  comm.together([&] {
    for (const Block& block : BlockPlan{set.count, block_size}.blocks_of(comm.rank(), comm.ranks())) {
      const std::vector<Seen> seen = set.look(block.ids);
      for (size_t i = 0; i < seen.size(); ++i) mine.add(block.ids.begin + static_cast<int64_t>(i), seen[i]);
    }
  });
  SetTally all = gathered(mine, comm);
  Inspection found;
  comm.on_root([&] {
    found.record = record_of(path, set, std::move(all));
    found.text = text_of(found.record, set);
  });
  return found;
}

}  // namespace ddls::pipeline
