#include "report/result_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "report/records.hpp"

namespace ddls::report {
namespace {

NetworkResult network_of(const Json& part) {
  NetworkResult result;
  const bool points = !part.contains("extractor");
  result.name = points ? "none" : text_at(part, "extractor.name");
  result.sha256 = points ? "points" : text_at(part, "extractor.sha256");
  result.protocol = at_path(part, "protocol");
  return result;
}

// The sets of `part`, whose own words are in `whole`.
void add_sets(NetworkResult& network, const Json& part, const Json& whole) {
  if (whole.contains("fake")) {
    network.sets.push_back({text_at(whole, "fake.name"), whole["fake"], at_path(part, "metrics")});
    return;
  }
  for (const auto& [name, method] : part["methods"].items())
    network.sets.push_back({name, at_path(at_path(whole, "methods"), name), at_path(method, "metrics")});
}

bool is_result(const Json& json) {
  const Json& methods = at_path(json, "methods");
  return at_path(json, "reference").is_object() &&
         ((at_path(json, "fake").is_object() && at_path(json, "metrics").is_object()) ||
          (methods.is_object() && !methods.empty()));
}

// Parts of the two results, side by side.
class Parts {
 public:
  std::vector<ProtocolPart> all;

  void add(const std::string& name, const std::string& a, const std::string& b, Bearing bearing = Bearing::all,
           std::vector<std::string> metrics = {}) {
    if (a.empty() && b.empty()) return;
    all.push_back({name, a, b, a != b, true, bearing, std::move(metrics)});
  }

  // A set of samples is the same where its digest is; without one of both it can only be seen to be another.
  void add_set(const std::string& name, const Json& a, const Json& b, Bearing bearing) {
    if (!a.is_object() && !b.is_object()) return;
    const std::string digest_a = text_at(a, "digest"), digest_b = text_at(b, "digest");
    const bool digests = !digest_a.empty() && !digest_b.empty();
    const bool alike = text_at(a, "name") == text_at(b, "name") && text_at(a, "count") == text_at(b, "count");
    ProtocolPart part{name, set_text(a), set_text(b)};
    part.differs = digests ? digest_a != digest_b : !alike;
    part.known = digests || !alike;
    part.bearing = bearing;
    all.push_back(std::move(part));
  }

 private:
  static std::string set_text(const Json& set) {
    if (!set.is_object()) return {};
    std::string text = text_at(set, "name");
    const auto say = [&](const std::string& what) {
      if (!what.empty()) text += (text.empty() ? "" : ", ") + what;
    };
    say(text_at(set, "count"));
    for (const Json& rule : at_path(set, "pixels")) say(rule.is_string() ? rule.get<std::string>() : std::string());
    if (const std::string damaged = text_at(set, "damaged"); !damaged.empty()) say(damaged + " damaged left out");
    if (const std::string digest = text_at(set, "digest"); !digest.empty()) say("digest " + digest);
    return text;
  }
};

std::string network_text(const NetworkResult& network) {
  return network.sha256 == "points" ? "none: points"
                                    : fmt::format("{} ({})", network.name, network.sha256.substr(0, 12));
}

// Whose mean and covariance a Fréchet distance is of.
std::string statistics_text(const Json& set) {
  if (!set.is_object()) return {};
  if (at_path(set, "statistics") == true) return "given, without samples";
  const std::string given = text_at(set, "frechet_distance_of");
  return given.empty() ? "of the samples" : given;
}

// Options of metrics that both results have computed.
void add_options(Parts& parts, const Json& a, const Json& b) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> metrics_by_path;
  for (const metrics::Metric& metric : metrics::known_metrics())
    for (const metrics::MetricKey& key : metric.protocol_keys) {
      if (metrics_by_path[key.path].empty()) order.push_back(key.path);
      metrics_by_path[key.path].push_back(metric.name);
    }
  for (const std::string& path : order) {
    const Json &in_a = at_path(a, path), &in_b = at_path(b, path);
    if (in_a.is_null() || in_b.is_null() || in_a.is_object()) continue;
    parts.add(path, in_a.is_string() ? in_a.get<std::string>() : in_a.dump(),
              in_b.is_string() ? in_b.get<std::string>() : in_b.dump(), Bearing::named, metrics_by_path[path]);
  }
}

Json named(const JudgedSet& set) {
  Json record = set.record.is_object() ? set.record : Json::object();
  if (!record.contains("name")) record["name"] = set.name;
  return record;
}

}  // namespace

ResultFile read_result_file(const fs::path& file) {
  ResultFile result{file, read_json_object(file), {}};
  const Json& json = result.json;
  if (!is_result(json))
    fail(Exit::data, "'{}' is no result of an evaluation: neither of `evaluate --json` nor a run's report.json",
         file.string());
  result.networks.push_back(network_of(json));
  add_sets(result.networks.back(), json, json);
  if (const Json& others = at_path(json, "by_extractor"); others.is_object())
    for (const auto& [name, part] : others.items()) {
      NetworkResult network = network_of(part);
      if (network.sha256 == result.networks.front().sha256) continue;
      if (!part.contains(json.contains("fake") ? "metrics" : "methods"))
        fail(Exit::data, "'{}' is damaged: by_extractor.{} has no metrics", file.string(), name);
      add_sets(network, part, json);
      result.networks.push_back(std::move(network));
    }
  return result;
}

bool ProtocolPart::bears_on(const metrics::Metric& metric) const {
  const metrics::MetricNeeds needs = metric.needs(metric.defaults);
  switch (bearing) {
    case Bearing::all:
      return true;
    case Bearing::reference:
      return needs.moments || needs.reference_rows > 0 || needs.labels;
    case Bearing::moments:
      return needs.moments;
    case Bearing::training:
      return needs.training_rows > 0;
    case Bearing::named:
      return std::ranges::find(metrics, metric.name) != metrics.end();
  }
  return true;
}

std::vector<ProtocolPart> protocol_parts(const ResultFile& a, const NetworkResult& by_a, const JudgedSet& of_a,
                                         const ResultFile& b, const NetworkResult& by_b, const JudgedSet& of_b) {
  Parts parts;
  parts.add("extractor", network_text(by_a), network_text(by_b));
  parts.all.back().differs = by_a.sha256 != by_b.sha256;  // not by name
  parts.add("resize", text_at(by_a.protocol, "resize"), text_at(by_b.protocol, "resize"));
  parts.add("quantisation", text_at(by_a.protocol, "quantisation"), text_at(by_b.protocol, "quantisation"));
  parts.add_set("samples", named(of_a), named(of_b), Bearing::all);
  const Json &reference_a = at_path(a.json, "reference"), &reference_b = at_path(b.json, "reference");
  parts.add_set("reference", reference_a, reference_b, Bearing::reference);
  parts.add_set("training set", at_path(a.json, "training"), at_path(b.json, "training"), Bearing::training);
  parts.add("statistics of the samples", statistics_text(of_a.record), statistics_text(of_b.record), Bearing::moments);
  parts.add("statistics of the reference", statistics_text(reference_a), statistics_text(reference_b),
            Bearing::moments);
  add_options(parts, by_a.protocol, by_b.protocol);
  return parts.all;
}

}  // namespace ddls::report
