#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::config {
namespace {

struct Source {
  std::string file, text;
};

void bind_base(Section& root, std::string& base) {
  root.value("base", &base, "configuration file to start from", a_path());
}

// What the file `base:` leads to is called in messages: as the user would write it from here.
std::string shown(const std::string& absolute, const std::string& asked_file) {
  return fs::path(asked_file).is_absolute() ? absolute
                                            : fs::path(absolute).lexically_proximate(fs::current_path()).string();
}

// The file and those it starts from, nearest first.
std::vector<Source> chain_of(const std::string& asked_file, std::vector<ConfigProblem>& problems) {
  std::vector<Source> chain;
  std::vector<fs::path> seen;
  std::string file = asked_file, place;  // of the `base:` that led here
  while (!file.empty()) {
    const fs::path canonical = fs::weakly_canonical(file);
    if (std::find(seen.begin(), seen.end(), canonical) != seen.end()) {
      std::string circle;
      for (const Source& source : chain) circle += source.file + " -> ";
      problems.push_back({place, "base", "the files lead in a circle: " + circle + file});
      return chain;
    }
    seen.push_back(canonical);
    try {
      chain.push_back({file, read_file(file)});
    } catch (const Error& e) {
      if (place.empty()) throw;
      fail(e.code(), "{}: base: {}", place, e.what());
    }
    // Only `base` matters here; everything else is read, and complained about, in load_config.
    std::string base;
    Section only_base("", "");
    bind_base(only_base, base);
    std::vector<ConfigProblem> reported_later;
    read_yaml(only_base, chain.back().text, file, reported_later);
    place = only_base.fields()[0].place;
    file = base.empty() ? "" : shown(base, asked_file);
  }
  return chain;
}

std::string place_of(const Section& section, const std::string& prefix, const std::string& key) {
  for (const Field& field : section.fields())
    if (prefix + field.name == key) return field.place;
  for (const auto& child : section.sections()) {
    const std::string inner = prefix + child->name() + ".";
    if (key.starts_with(inner)) return place_of(*child, inner, key);
  }
  fail(Exit::internal, "check() names the key {}, which is not bound", key);
}

// A conflict with a key that could not be read would be a follow-up of that problem.
bool is_follow_up(const Conflict& conflict, const std::vector<ConfigProblem>& problems) {
  return std::any_of(conflict.keys.begin(), conflict.keys.end(), [&](const std::string& key) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const ConfigProblem& p) { return p.key == key || p.key.starts_with(key + "["); });
  });
}

}  // namespace

Config load_config(const std::string& file, const std::vector<std::string>& overrides, const Config& defaults) {
  Config config = defaults;
  std::string base;
  Section root("", "");
  bind_base(root, base);
  bind(root, config);

  std::vector<ConfigProblem> problems;
  const std::vector<Source> chain = chain_of(file, problems);
  for (auto source = chain.rbegin(); source != chain.rend(); ++source)
    read_yaml(root, source->text, source->file, problems);
  for (const std::string& assignment : overrides) {
    if (assignment.starts_with("base="))
      problems.push_back({"--set " + assignment, "base", "stands in files only; name the file with --config"});
    else
      read_override(root, assignment, problems);
  }

  std::vector<ConfigProblem> conflicts;
  for (const Conflict& conflict : check(config)) {
    if (is_follow_up(conflict, problems)) continue;
    std::string place;
    for (const std::string& key : conflict.keys)
      if (place.empty()) place = place_of(root, "", key);
    conflicts.push_back({place.empty() ? "defaults" : place, conflict.keys[0], conflict.message});
  }
  problems.insert(problems.end(), conflicts.begin(), conflicts.end());

  if (problems.empty()) return config;
  std::vector<std::string> lines;
  for (const ConfigProblem& problem : problems) lines.push_back(problem.text());
  fail(Exit::config, "{}", fmt::join(lines, "\n"));
}

std::string to_yaml(const Config& config, bool comments) {
  Config copy = config;  // fields point to what they would be read into
  Section root("", "");
  bind(root, copy);
  return print_yaml(root, comments);
}

std::string differences(const Config& from, const Config& to) {
  Config a = from, b = to;
  Section of_a("", ""), of_b("", "");
  bind(of_a, a);
  bind(of_b, b);
  return print_differences(of_a, of_b);
}

std::string key_text(const Config& config) {
  Config copy = config, initial;
  for (const SamplerConfig& sampler : config.sample.samplers)
    initial.sample.samplers.push_back({sampler.name, sampler.doc, sampler.options.defaults(), sampler.uses_ratio});
  for (const MetricConfig& metric : config.evaluate.known)
    initial.evaluate.known.push_back({metric.name, metric.doc, metric.options.defaults()});
  Section root("", ""), defaults("", "");
  bind(root, copy);
  bind(defaults, initial);
  return print_key(root, defaults);
}

}  // namespace ddls::config
