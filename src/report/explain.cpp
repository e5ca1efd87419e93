#include "report/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "report/records.hpp"
#include "report/result_file.hpp"
#include "report/shares.hpp"

namespace ddls::report {
namespace {

struct SetPairing {
  const NetworkResult *by_a, *by_b;
  const JudgedSet *of_a, *of_b;
};

// By name, else by digest; of results that have one set each, these.
std::vector<SetPairing> sets_in_both(const NetworkResult& a, const NetworkResult& b) {
  std::vector<SetPairing> pairs;
  if (a.sets.size() == 1 && b.sets.size() == 1) return {{&a, &b, &a.sets.front(), &b.sets.front()}};
  for (const JudgedSet& one : a.sets) {
    const std::string digest = text_at(one.record, "digest");
    const auto named = std::ranges::find(b.sets, one.name, &JudgedSet::name);
    const auto same = std::ranges::find_if(
        b.sets, [&](const JudgedSet& other) { return !digest.empty() && text_at(other.record, "digest") == digest; });
    const auto found = named != b.sets.end() ? named : same;
    if (found != b.sets.end()) pairs.push_back({&a, &b, &one, &*found});
  }
  return pairs;
}

std::string names_of(const NetworkResult& network) {
  std::string names;
  for (const JudgedSet& set : network.sets) names += (names.empty() ? "" : ", ") + set.name;
  return names;
}

// Of the networks that both have; where they have none in common, of the first of each.
std::vector<SetPairing> pairs_of(const ResultFile& a, const ResultFile& b) {
  std::vector<SetPairing> pairs;
  const auto add = [&](const NetworkResult& one, const NetworkResult& other) {
    for (const SetPairing& pair : sets_in_both(one, other)) pairs.push_back(pair);
  };
  for (const NetworkResult& one : a.networks)
    if (const auto same = std::ranges::find(b.networks, one.sha256, &NetworkResult::sha256); same != b.networks.end())
      add(one, *same);
  if (pairs.empty()) add(a.networks.front(), b.networks.front());
  if (pairs.empty())
    fail(Exit::data, "'{}' and '{}' have no set in common: {} in the one, {} in the other", a.file.string(),
         b.file.string(), names_of(a.networks.front()), names_of(b.networks.front()));
  return pairs;
}

// What is known of the difference of one value.
struct Verdict {
  std::vector<std::string> parts;  // that differ and bear on it
  std::vector<Share> shares;
  std::optional<double> of_counts;  // of the samples' number alone, by the line of fid_infinity
  std::string why;
};

std::string joined(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

std::string shares_text(const std::vector<Share>& shares) {
  std::string text;
  for (const Share& share : shares) {
    text += fmt::format("{}{} {:+.4g}", text.empty() ? "" : ", ", share.part, share.value);
    if (share.high - share.low > 1e-9 * std::max(std::abs(share.high), std::abs(share.low)))
      text += fmt::format(" ({:+.4g} to {:+.4g})", share.low, share.high);
  }
  return text;
}

class Explainer {
 public:
  Explainer(const ResultFile& a, const ResultFile& b, const SetPairing& pair, KeptFolders& kept)
      : a_(a),
        b_(b),
        pair_(pair),
        kept_(kept),
        parts_(protocol_parts(a, *pair.by_a, *pair.of_a, b, *pair.by_b, *pair.of_b)) {}

  Explanation explained() {
    Json record{{"a", pair_.of_a->name},         {"b", pair_.of_b->name},    {"network_a", pair_.by_a->name},
                {"network_b", pair_.by_b->name}, {"differs", Json::array()}, {"same", Json::array()},
                {"unknown", Json::array()},      {"metrics", Json::object()}};
    std::string text = fmt::format("A: {} by {}, of {}\nB: {} by {}, of {}\n", pair_.of_a->name, pair_.by_a->name,
                                   a_.file.string(), pair_.of_b->name, pair_.by_b->name, b_.file.string());
    add_parts(record, text);
    add_metrics(record, text);
    return {record, text};
  }

 private:
  void add_parts(Json& record, std::string& text) const {
    std::vector<std::string> same, unknown;
    for (const ProtocolPart& part : parts_) {
      if (!part.known) {
        unknown.push_back(part.name);
        record["unknown"].push_back(part.name);
      } else if (!part.differs) {
        same.push_back(part.name);
        record["same"].push_back(part.name);
      } else {
        text += fmt::format("  {}\n    A: {}\n    B: {}\n", part.name, part.a.empty() ? "not said" : part.a,
                            part.b.empty() ? "not said" : part.b);
        record["differs"].push_back({{"part", part.name}, {"a", part.a}, {"b", part.b}});
      }
    }
    if (record["differs"].empty()) text += "  No part of the protocol is known to differ.\n";
    if (!same.empty()) text += fmt::format("  the same: {}\n", joined(same));
    if (!unknown.empty()) text += fmt::format("  not known to be the same: {}\n", joined(unknown));
    for (const char* field : {"version", "git_commit", "ranks"})
      if (text_at(a_.json, field) != text_at(b_.json, field))
        text += fmt::format("  also {}: {} | {}\n", field, text_at(a_.json, field), text_at(b_.json, field));
  }

  void add_metrics(Json& record, std::string& text) {
    std::vector<std::string> one_sided;
    for (const metrics::Metric& metric : metrics::known_metrics())
      for (const metrics::MetricKey& key : metric.keys) {
        if (!key.column) continue;
        const auto in_a = number_at(pair_.of_a->metrics, key.path), in_b = number_at(pair_.of_b->metrics, key.path);
        if (in_a.has_value() != in_b.has_value()) one_sided.push_back(key.path + (in_a ? " (A)" : " (B)"));
        if (!in_a || !in_b) continue;
        const Verdict verdict = verdict_on(metric, key.path, *in_a, *in_b);
        text += fmt::format("  {:<22} {:>12.6g} {:>12.6g} {:>+12.4g}  {}\n", key.path, *in_a, *in_b, *in_b - *in_a,
                            verdict.why);
        record["metrics"][key.path] = record_of(verdict, *in_a, *in_b);
      }
    if (!one_sided.empty()) text += fmt::format("  in one alone: {}\n", joined(one_sided));
  }

  static Json record_of(const Verdict& verdict, double a, double b) {
    Json record{{"a", a}, {"b", b}, {"difference", b - a}, {"parts", verdict.parts}, {"why", verdict.why}};
    for (const Share& share : verdict.shares)
      record["shares"][share.part] = {{"value", share.value}, {"low", share.low}, {"high", share.high}};
    if (verdict.of_counts) record["of_counts"] = *verdict.of_counts;
    return record;
  }

  Verdict verdict_on(const metrics::Metric& metric, const std::string& path, double a, double b) {
    Verdict verdict;
    std::vector<std::string> unknown;
    for (const ProtocolPart& part : parts_) {
      if (!part.bears_on(metric)) continue;
      if (!part.known) unknown.push_back(part.name);
      if (part.known && part.differs) verdict.parts.push_back(part.name);
    }
    const bool equal = std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
    const std::string doubt = unknown.empty() ? "" : fmt::format(", if these are the same: {}", joined(unknown));
    if (verdict.parts.empty()) {
      verdict.why = equal             ? ""
                    : unknown.empty() ? "no part that the results name: another program, or rounding"
                                      : "it cannot be known whether these are the same: " + joined(unknown);
    } else if (equal) {
      verdict.why = "no difference by " + joined(verdict.parts);
    } else if (verdict.parts.size() == 1) {
      verdict.why = "all by " + verdict.parts.front() + doubt;
    } else {
      tell_apart(verdict, path, a, b, doubt);
    }
    add_counts(verdict, path);
    return verdict;
  }

  // Several parts: shares where statistics of all their combinations are kept.
  void tell_apart(Verdict& verdict, const std::string& path, double a, double b, const std::string& doubt) {
    const std::string together = fmt::format("by {} together{}", joined(verdict.parts), doubt);
    const auto is_factor = [](const std::string& part) {
      return part == "samples" || part == "reference" || part == "extractor" || part == "resize";
    };
    if (path != "frechet_distance" || !doubt.empty() || !std::ranges::all_of(verdict.parts, is_factor)) {
      verdict.why = together + "; these results cannot tell them apart";
      return;
    }
    const Shares shares =
        shares_of(kept_, distance_of(a_, *pair_.by_a, *pair_.of_a), a, distance_of(b_, *pair_.by_b, *pair_.of_b), b);
    verdict.shares = shares.shares;
    verdict.why = shares.shares.empty() ? fmt::format("{}; not told apart: {}", together, shares.why)
                                        : shares_text(shares.shares);
  }

  static DistanceOf distance_of(const ResultFile& result, const NetworkResult& network, const JudgedSet& set) {
    const std::string resize = text_at(network.protocol, "resize");
    return {text_at(set.record, "digest"), text_at(result.json, "reference.digest"), network.sha256,
            resize.empty() ? "none" : resize};
  }

  // What another number of samples does to a Fréchet distance, where a result has its line in 1 / n.
  void add_counts(Verdict& verdict, const std::string& path) const {
    if (path != "frechet_distance" || std::ranges::find(verdict.parts, "samples") == verdict.parts.end()) return;
    const auto count_a = number_at(pair_.of_a->record, "count"), count_b = number_at(pair_.of_b->record, "count");
    auto slope = number_at(pair_.of_a->metrics, "fid_infinity.slope");
    if (!slope) slope = number_at(pair_.of_b->metrics, "fid_infinity.slope");
    if (!count_a || !count_b || !slope || *count_a == *count_b || *count_a <= 0 || *count_b <= 0) return;
    verdict.of_counts = *slope * (1 / *count_b - 1 / *count_a);
    verdict.why += fmt::format("; the counts alone about {:+.4g} (line of fid_infinity)", *verdict.of_counts);
  }

  const ResultFile &a_, &b_;
  const SetPairing& pair_;
  KeptFolders& kept_;
  std::vector<ProtocolPart> parts_;
};

Json file_record(const ResultFile& result) {
  Json record{{"file", result.file.string()}};
  for (const char* field : {"version", "git_commit", "ranks"})
    if (const Json& value = at_path(result.json, field); !value.is_null()) record[field] = value;
  return record;
}

}  // namespace

Explanation explain_results(const fs::path& file_a, const fs::path& file_b, const std::vector<fs::path>& caches) {
  const ResultFile a = read_result_file(file_a), b = read_result_file(file_b);
  std::vector<fs::path> folders = caches;
  for (const fs::path& file : {file_a, file_b}) folders.push_back(file.parent_path() / "reference");
  KeptFolders kept(folders);
  Explanation whole{{{"a", file_record(a)}, {"b", file_record(b)}, {"pairs", Json::array()}}, {}};
  for (const SetPairing& pair : pairs_of(a, b)) {
    const Explanation one = Explainer(a, b, pair, kept).explained();
    whole.record["pairs"].push_back(one.record);
    whole.text += (whole.text.empty() ? "" : "\n") + one.text;
  }
  return whole;
}

}  // namespace ddls::report
