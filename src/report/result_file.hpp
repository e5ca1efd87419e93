#pragma once
// Results of evaluations as files hold them, `evaluate --json` and report.json alike: what was judged, by which
// networks, and part by part how.
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "metrics/registry.hpp"

namespace ddls::report {

// One set of samples with its metrics.
struct JudgedSet {
  std::string name;  // of the set, or of the method
  Json record;       // count, digest, pixels, ...; null fields where nothing is said
  Json metrics;
};

// What one network made of all sets. Of points: name "none", sha256 "points".
struct NetworkResult {
  std::string name, sha256;
  Json protocol;
  std::vector<JudgedSet> sets;
};

struct ResultFile {
  std::filesystem::path file;
  Json json;
  std::vector<NetworkResult> networks;  // the first is the one of "metrics"
};

// Throws Error: missing, data (neither of the two kinds).
ResultFile read_result_file(const std::filesystem::path& file);

// What a part of a protocol bears on.
enum class Bearing { all, reference, moments, training, named };

// One part of how two numbers were made.
struct ProtocolPart {
  std::string name;  // "resize", "samples", "kid.subsets"
  std::string a, b;  // as a person reads it; empty: the result does not say
  bool differs = false;
  bool known = true;  // false: the results do not say enough to tell
  Bearing bearing = Bearing::all;
  std::vector<std::string> metrics = {};  // with Bearing::named: of these entries of the registry

  bool bears_on(const metrics::Metric& metric) const;
};

// In the order in which a person reads them: extractor, resize, quantisation, samples, reference, training, and what
// the metrics' own options say. Parts that neither result has are left out.
std::vector<ProtocolPart> protocol_parts(const ResultFile& a, const NetworkResult& by_a, const JudgedSet& of_a,
                                         const ResultFile& b, const NetworkResult& by_b, const JudgedSet& of_b);

}  // namespace ddls::report
