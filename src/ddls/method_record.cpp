#include "ddls/method_record.hpp"

#include <map>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "ddls/curve_file.hpp"

namespace ddls::sampling {
namespace {

// The last step size, means over the steps, and of `lasts` the last value: a record is the mean over the steps since
// the one before.
void add_curves(const fs::path& folder, const std::vector<std::string>& means, const std::set<std::string>& lasts,
                Json& record) {
  const fs::path file = folder / "chains.jsonl";
  struct Sum {
    double total = 0;
    int64_t last = 0;  // step
  };
  std::map<std::string, Sum> sums;
  for (const Json& line : read_curves(folder)) {
    if (line.contains("step_size")) record["step_size"] = line["step_size"];  // not where only an evaluation speaks
    for (const std::string& name : means) {
      if (!line.contains(name) || line[name].is_null()) continue;
      if (lasts.contains(name)) {
        record[name] = json_field<double>(line, name, file);
        continue;
      }
      Sum& sum = sums[name];
      const auto step = json_field<int64_t>(line, "step", file);
      sum.total += json_field<double>(line, name, file) * static_cast<double>(step - sum.last);
      sum.last = step;
    }
  }
  for (const std::string& name : means)
    if (sums[name].last > 0) record[name] = sums[name].total / static_cast<double>(sums[name].last);
}

// The ESS was taken from the last `diagnosed.steps` of `steps`: a chain pays for the others once, however long it is.
void add_costs(const Json& manifest, const fs::path& file, double steps, double chain_seconds, Json& record) {
  if (!record.contains("ess_per_chain") || !record["ess_per_chain"].is_number()) return;
  const double ess = record["ess_per_chain"].get<double>(), count = record["count"].get<double>();
  const double used = json_field<double>(json_field<Json>(record, "diagnosed", file), "steps", file);
  if (!(used > 0)) return;
  if (chain_seconds > 0) record["ess_per_second"] = ess * count / (chain_seconds * used / steps);
  if (!manifest.contains("evaluations_per_step")) return;
  const auto cost = json_field<Json>(manifest, "evaluations_per_step", file);
  record["ess_per_evaluation"] =
      ess / (used * (json_field_or(cost, "gradients", 0.0, file) + json_field_or(cost, "ratios", 0.0, file)));
}

std::vector<std::string> names_in(const Json& manifest, const char* key, const std::vector<std::string>& otherwise,
                                  const fs::path& file) {
  std::vector<std::string> names;
  for (const Json& name : json_field_or(manifest, key, Json(otherwise), file)) {
    if (!name.is_string()) fail(Exit::data, "'{}' is damaged: '{}' holds {}", file.string(), key, name.dump());
    names.push_back(name.get<std::string>());
  }
  return names;
}

}  // namespace

Json method_record(const fs::path& folder) {
  const fs::path file = folder / "manifest.json";
  if (!fs::exists(file))
    fail(Exit::missing, "{}: no samples of method {}; run 'ddls_dist sample' first", folder.string(),
         folder.filename().string());
  const Json manifest = read_json_object(file);
  const auto count = json_field<int64_t>(manifest, "count", file);
  const auto steps = json_field_or(manifest, "steps", int64_t{0}, file);
  const double seconds = json_field_or(manifest, "seconds", 0.0, file);
  const double warmup = json_field_or(manifest, "warmup_seconds", 0.0, file);
  Json record{{"count", count}, {"seconds", seconds}};
  if (manifest.contains("exact")) record["exact"] = json_field<bool>(manifest, "exact", file);  // not in older ones
  if (warmup > 0) record["warmup_seconds"] = warmup;
  if (manifest.contains("warmup")) record["warmup"] = json_field<Json>(manifest, "warmup", file);
  if (steps == 0) return record;
  record["steps"] = steps;
  if (seconds > warmup)
    record["chain_steps_per_second"] = static_cast<double>(steps) * static_cast<double>(count) / (seconds - warmup);
  record["temperature"] = json_field<Json>(manifest, "temperature", file);
  record["restarts"] = json_field_or(manifest, "restarts", int64_t{0}, file);
  if (manifest.contains("evaluations_per_step")) record["evaluations_per_step"] = manifest["evaluations_per_step"];
  const auto diagnostics = json_field_or(manifest, "diagnostics", Json(Json::object()), file);
  if (!diagnostics.is_object())
    fail(Exit::data, "'{}' is damaged: 'diagnostics' is {}", file.string(), diagnostics.dump());
  record.update(diagnostics);  // rhat, ess_per_chain, what they were computed from
  std::vector<std::string> rates{"jump2"};
  for (const std::string& name : names_in(manifest, "rates", {"acceptance"}, file)) rates.push_back(name);
  const std::vector<std::string> lasts = names_in(manifest, "last_rates", {}, file);
  add_curves(folder, rates, {lasts.begin(), lasts.end()}, record);
  add_costs(manifest, file, static_cast<double>(steps), seconds - warmup, record);
  return record;
}

}  // namespace ddls::sampling
