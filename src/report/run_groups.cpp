#include "report/run_groups.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "report/metrics.hpp"
#include "report/records.hpp"

namespace ddls::report {
namespace {

using Leaves = std::map<std::string, std::string>;

void add_config_leaves(const YAML::Node& node, const std::string& path, Leaves& leaves) {
  if (node.IsMap()) {
    for (const auto& item : node) {
      const std::string key = item.first.as<std::string>();
      add_config_leaves(item.second, path.empty() ? key : path + "." + key, leaves);
    }
    return;
  }
  YAML::Emitter text;
  text << YAML::Flow << node;
  leaves[path] = text.c_str();
}

// Without what says only which run it is and where it keeps things.
Leaves configuration_of(Leaves leaves) {
  std::erase_if(leaves, [](const auto& leaf) {
    const std::string& key = leaf.first;
    return key == "seed" || key == "name" || key == "evaluate.cache" || key == "evaluate.keep_statistics" ||
           key.starts_with("output.");
  });
  return leaves;
}

std::string latents_of(const Leaves& leaves) {
  std::string text;
  for (const char* key : {"seed", "model.latent_dim", "model.prior", "model.classes", "sample.count"})
    if (const auto found = leaves.find(key); found != leaves.end()) text += fmt::format("{}={}\n", key, found->second);
  return text;
}

// Options in which a configuration is not as the first, the first few.
std::string unlike(const Leaves& own, const Leaves& first) {
  constexpr int most = 3;
  std::string text;
  int count = 0;
  for (const auto& [key, value] : own) {
    const auto other = first.find(key);
    if (other != first.end() && other->second == value) continue;
    if (++count > most) return text + ", ...";
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key, value);
  }
  return text;
}

void name_groups(std::vector<RunGroup>& groups, const std::vector<Leaves>& configurations) {
  std::map<std::string, int> uses;
  for (RunGroup& group : groups) {
    group.name = text_at(group.runs.front()->report, "name");
    ++uses[group.name];
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (uses[groups[i].name] == 1) continue;
    const std::string words = unlike(configurations[i], configurations.front());
    if (!words.empty()) groups[i].name += " (" + words + ")";
  }
}

std::optional<double> value_in(const RunData& run, const std::string& method, const metrics::MetricColumn& metric) {
  const MethodRun* const found = find_method(run, method);
  return found ? metric_value(metric, metrics_of_method(*found)) : std::nullopt;
}

std::optional<PairedTest> against_generator(const RunGroup& group, const std::string& method,
                                            const metrics::MetricColumn& metric) {
  std::vector<double> a, b;
  for (const RunData* run : group.runs) {
    const auto base = value_in(*run, "generator", metric), own = value_in(*run, method, metric);
    if (base && own) a.push_back(*base), b.push_back(*own);
  }
  if (a.empty() || method == "generator") return std::nullopt;
  return paired_test(a, b);
}

std::optional<PairedTest> against_first(const RunGroup& first, const RunGroup& group, const std::string& method,
                                        const metrics::MetricColumn& metric) {
  std::vector<double> a, b;
  for (size_t i = 0; i < group.runs.size(); ++i) {
    const auto same = std::ranges::find(first.latents, group.latents[i]);
    if (same == first.latents.end()) continue;
    const RunData& other = *first.runs[static_cast<size_t>(same - first.latents.begin())];
    const auto base = value_in(other, method, metric), own = value_in(*group.runs[i], method, metric);
    if (base && own) a.push_back(*base), b.push_back(*own);
  }
  if (a.empty()) return std::nullopt;
  return paired_test(a, b);
}

MeanOfRuns mean_of(const std::vector<double>& values) {
  MeanOfRuns result{static_cast<int64_t>(values.size()), 0, std::nullopt};
  const auto n = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.sd = std::sqrt(squares / (n - 1));
  return result;
}

std::vector<std::string> methods_of(const RunGroup& group) {
  std::vector<std::string> names;
  for (const RunData* run : group.runs)
    for (const MethodRun& method : run->methods)
      if (std::ranges::find(names, method.name) == names.end()) names.push_back(method.name);
  return names;
}

}  // namespace

std::map<std::string, std::string> config_leaves(const std::string& yaml) {
  Leaves leaves;
  add_config_leaves(YAML::Load(yaml), "", leaves);
  return leaves;
}

std::vector<RunGroup> groups_of(const std::vector<const RunData*>& runs) {
  std::vector<RunGroup> groups;
  std::vector<Leaves> configurations;
  for (const RunData* run : runs) {
    Leaves leaves = config_leaves(run->config);
    const std::string latents = latents_of(leaves);
    const Leaves own = configuration_of(std::move(leaves));
    const auto found = std::ranges::find(configurations, own);
    const auto place = static_cast<size_t>(found - configurations.begin());
    if (found == configurations.end()) {
      configurations.push_back(own);
      groups.emplace_back();
    }
    groups[place].runs.push_back(run);
    groups[place].latents.push_back(latents);
  }
  name_groups(groups, configurations);
  return groups;
}

double student_p(double t, int64_t degrees) {
  const auto nu = static_cast<double>(degrees);
  const double angle = std::atan(std::abs(t) / std::sqrt(nu)), cosine = std::cos(angle);
  // The series in powers of the cosine, of the parity of `degrees`.
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1, sum = degrees == 1 ? 0 : term;
  for (int64_t k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= static_cast<double>(k - 1) / static_cast<double>(k) * cosine * cosine;
    sum += term;
  }
  const double inside = odd ? 2 / std::numbers::pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
  return std::clamp(1 - inside, 0.0, 1.0);
}

PairedTest paired_test(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
  const MeanOfRuns mean = mean_of(differences);
  PairedTest test{mean.runs, mean.mean, std::nullopt};
  const double rounding = 1e-12 * std::abs(mean.mean);
  if (!mean.sd || *mean.sd <= rounding) return test;
  test.p = student_p(mean.mean / (*mean.sd / std::sqrt(static_cast<double>(mean.runs))), mean.runs - 1);
  return test;
}

std::vector<GroupValue> group_values(const std::vector<RunGroup>& groups) {
  std::vector<GroupValue> all;
  for (const metrics::MetricColumn& metric : metric_columns())
    for (size_t i = 0; i < groups.size(); ++i)
      for (const std::string& method : methods_of(groups[i])) {
        std::vector<double> values;
        for (const RunData* run : groups[i].runs)
          if (const auto value = value_in(*run, method, metric)) values.push_back(*value);
        if (values.empty()) continue;
        GroupValue value{i, method, &metric, mean_of(values), against_generator(groups[i], method, metric), {}};
        if (i > 0) value.first = against_first(groups.front(), groups[i], method, metric);
        all.push_back(std::move(value));
      }
  return all;
}

}  // namespace ddls::report
