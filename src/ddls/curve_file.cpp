#include "ddls/curve_file.hpp"

#include <map>

#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* curve_name = "chains.jsonl";
constexpr const char* added = "metrics";  // the field of a line that an evaluation adds

}  // namespace

std::vector<Json> read_curves(const fs::path& samples_folder) {
  const fs::path file = samples_folder / curve_name;
  const std::string text = read_file(file);
  std::vector<Json> lines;
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(parse_json_object(std::string_view(text).substr(at, end - at), file.string()));
    json_field<int64_t>(lines.back(), "step", file);
  }
  return lines;
}

void add_metrics(const fs::path& samples_folder, const std::vector<Json>& points) {
  std::map<int64_t, Json> by_step;
  for (Json& line : read_curves(samples_folder)) {
    line.erase(added);
    const auto step = line["step"].get<int64_t>();
    if (line.size() > 1) by_step[step] = std::move(line);  // else it was an evaluation's own
  }
  for (const Json& point : points) {
    const auto step = point.at("step").get<int64_t>();
    Json& line = by_step.try_emplace(step, Json{{"step", step}}).first->second;
    line[added] = point;
    line[added].erase("step");
  }
  std::string text;
  for (const auto& [step, line] : by_step) text += json_text(line) + "\n";

  // The manifest comes first and knows both: between the two writes the old lines are there, afterwards the new ones.
  const fs::path manifest_file = samples_folder / "manifest.json";
  Json manifest = read_json_object(manifest_file);
  manifest["evaluated"] = {{curve_name, sha256(text)}};
  write_file(manifest_file, json_text(manifest, 2) + "\n");
  write_file(samples_folder / curve_name, text);
}

}  // namespace ddls::sampling
