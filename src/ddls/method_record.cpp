#include "ddls/method_record.hpp"

#include <map>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

// The last step size, and means over the steps: a record is the mean over the steps since the one before.
void add_curves(const fs::path& file, const std::vector<std::string>& means, Json& record) {
  struct Sum {
    double total = 0;
    int64_t last = 0;  // step
  };
  std::map<std::string, Sum> sums;
  const std::string lines = read_file(file);
  for (size_t at = 0, end = 0; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = Json::parse(lines.substr(at, end - at));
    record["step_size"] = line["step_size"];
    for (const std::string& name : means) {
      if (!line.contains(name) || !line[name].is_number()) continue;
      Sum& sum = sums[name];
      const auto step = line["step"].get<int64_t>();
      sum.total += line[name].get<double>() * static_cast<double>(step - sum.last);
      sum.last = step;
    }
  }
  for (const std::string& name : means)
    if (sums[name].last > 0) record[name] = sums[name].total / static_cast<double>(sums[name].last);
}

// The ESS was taken from the last `diagnosed.steps` of `steps`: a chain pays for the others once, however long it is.
void add_costs(const Json& manifest, double chain_seconds, Json& record) {
  if (!record.contains("ess_per_chain") || !record["ess_per_chain"].is_number()) return;
  const double ess = record["ess_per_chain"].get<double>(), steps = record["diagnosed"].value("steps", 0.0);
  if (!(steps > 0)) return;
  const double share = steps / manifest["steps"].get<double>();
  if (chain_seconds > 0) record["ess_per_second"] = ess * manifest["count"].get<double>() / (chain_seconds * share);
  if (!manifest.contains("evaluations_per_step")) return;
  const Json& cost = manifest["evaluations_per_step"];
  record["ess_per_evaluation"] = ess / (steps * (cost.value("gradients", 0.0) + cost.value("ratios", 0.0)));
}

}  // namespace

Json method_record(const fs::path& folder) {
  const fs::path file = folder / "manifest.json";
  if (!fs::exists(file))
    fail(Exit::missing, "{}: no samples of method {}; run 'ddls_dist sample' first", folder.string(),
         folder.filename().string());
  const Json manifest = Json::parse(read_file(file), nullptr, false);
  if (!manifest.is_object()) fail(Exit::data, "{}: damaged", file.string());
  Json record{{"count", manifest["count"]}};
  const auto steps = manifest.value("steps", int64_t{0});
  const double seconds = manifest.value("seconds", 0.0), warmup = manifest.value("warmup_seconds", 0.0);
  record["seconds"] = seconds;
  if (steps == 0) return record;
  record["steps"] = steps;
  if (warmup > 0) record["warmup_seconds"] = warmup;
  if (seconds > warmup)
    record["chain_steps_per_second"] =
        static_cast<double>(steps) * manifest["count"].get<double>() / (seconds - warmup);
  record["temperature"] = manifest["temperature"];
  record["restarts"] = manifest.value("restarts", int64_t{0});
  if (manifest.contains("evaluations_per_step")) record["evaluations_per_step"] = manifest["evaluations_per_step"];
  record.update(manifest.value("diagnostics", Json::object()));  // rhat, ess_per_chain, what they were computed from
  auto means = manifest.value("rates", std::vector<std::string>{"acceptance"});
  means.emplace_back("jump2");
  add_curves(folder / "chains.jsonl", means, record);
  add_costs(manifest, seconds - warmup, record);
  return record;
}

}  // namespace ddls
