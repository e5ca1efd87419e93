#include "report/shares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "metrics/statistics_file.hpp"

namespace ddls::report {
namespace {

std::string key_of(const std::string& digest, const std::string& extractor, const std::string& resize) {
  return digest + '\n' + extractor + '\n' + resize;
}

struct Factor {
  const char* name;
  std::string DistanceOf::*field;
};

constexpr int64_t most_factors = 4;
const Factor all_factors[most_factors] = {{"samples", &DistanceOf::samples},
                                          {"reference", &DistanceOf::reference},
                                          {"extractor", &DistanceOf::extractor},
                                          {"resize", &DistanceOf::resize}};

// 1 / (n over k) / n: of the orders of n parts, the share in which a part comes behind these k of the others.
double weight_of(int64_t n, int64_t k) {
  double choices = 1;
  for (int64_t i = 0; i < k; ++i) choices = choices * static_cast<double>(n - 1 - i) / static_cast<double>(i + 1);
  return 1 / (choices * static_cast<double>(n));
}

std::string words_of(const DistanceOf& of) {
  return fmt::format("samples {}, reference {}, extractor {}, resize '{}'", of.samples, of.reference,
                     of.extractor.substr(0, 12), of.resize);
}

// The distance with the parts of `from_b` as in B, the others as in A, for every such set.
struct Corners {
  std::vector<double> values;
  std::string missing;  // the first that is not known
};

Corners corners_of(KeptFolders& kept, const DistanceOf& a, double value_a, const DistanceOf& b, double value_b,
                   const std::vector<Factor>& factors) {
  const size_t count = size_t{1} << factors.size();
  Corners corners{std::vector<double>(count), {}};
  for (size_t from_b = 0; from_b < count; ++from_b) {
    DistanceOf corner = a;
    for (size_t i = 0; i < factors.size(); ++i)
      if ((from_b >> i & 1) != 0) corner.*factors[i].field = b.*factors[i].field;
    if (from_b == 0 || from_b == count - 1) {
      corners.values[from_b] = from_b == 0 ? value_a : value_b;
      continue;
    }
    const auto value = kept.distance(corner);
    if (!value) {
      corners.missing = words_of(corner);
      return corners;
    }
    corners.values[from_b] = *value;
  }
  return corners;
}

// Kept statistics that do not give the value of their result are of something else.
std::string contradiction(KeptFolders& kept, const DistanceOf& of, double value) {
  const auto own = kept.distance(of);
  if (!own || std::abs(*own - value) <= 1e-6 * std::max(1.0, std::abs(value))) return {};
  return fmt::format("kept statistics give {:.6g} where the result says {:.6g}", *own, value);
}

}  // namespace

KeptFolders::KeptFolders(const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    if (!fs::is_directory(folder)) continue;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".npz") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files) {
      const Json provenance = metrics::read_provenance(file);
      if (!provenance.is_object() || !provenance.contains("digest")) continue;
      const fs::path beside = fs::path(file).replace_extension(".json");
      files_.emplace(key_of(json_field<std::string>(provenance, "digest", beside),
                            json_field<std::string>(provenance, "extractor_sha256", beside),
                            json_field<std::string>(provenance, "resize", beside)),
                     file);
    }
  }
}

const metrics::GaussianFactor* KeptFolders::find(const std::string& digest, const std::string& extractor,
                                                 const std::string& resize) {
  const std::string key = key_of(digest, extractor, resize);
  const auto file = files_.find(key);
  if (digest.empty() || file == files_.end()) return nullptr;
  auto found = factors_.find(key);
  if (found == factors_.end())
    found = factors_.emplace(key, metrics::factor(metrics::read_statistics(file->second), file->second.string())).first;
  return &found->second;
}

std::optional<double> KeptFolders::distance(const DistanceOf& of) {
  const metrics::GaussianFactor* const samples = find(of.samples, of.extractor, of.resize);
  const metrics::GaussianFactor* const reference = find(of.reference, of.extractor, of.resize);
  if (samples == nullptr || reference == nullptr) return std::nullopt;
  if (samples->mean.sizes() != reference->mean.sizes()) return std::nullopt;
  return metrics::frechet_distance(*samples, *reference);
}

Shares shares_of(KeptFolders& kept, const DistanceOf& a, double value_a, const DistanceOf& b, double value_b) {
  std::vector<Factor> factors;
  for (const Factor& factor : all_factors)
    if (a.*factor.field != b.*factor.field) factors.push_back(factor);
  if (factors.empty()) return {{}, "the results name no part that differs"};
  for (const std::string& wrong : {contradiction(kept, a, value_a), contradiction(kept, b, value_b)})
    if (!wrong.empty()) return {{}, wrong};
  const Corners corners = corners_of(kept, a, value_a, b, value_b, factors);
  if (!corners.missing.empty()) return {{}, "no statistics are kept of " + corners.missing};
  Shares result;
  const auto n = static_cast<int64_t>(factors.size());
  for (size_t i = 0; i < factors.size(); ++i) {
    Share share{factors[i].name, 0, std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest()};
    for (size_t before = 0; before < corners.values.size(); ++before) {
      if ((before >> i & 1) != 0) continue;
      const double step = corners.values[before | size_t{1} << i] - corners.values[before];
      share.value += weight_of(n, std::popcount(before)) * step;
      share.low = std::min(share.low, step);
      share.high = std::max(share.high, step);
    }
    result.shares.push_back(share);
  }
  return result;
}

}  // namespace ddls::report
