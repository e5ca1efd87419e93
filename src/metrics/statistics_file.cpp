#include "metrics/statistics_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "tensor/npz.hpp"

namespace ddls::metrics {
namespace {

fs::path provenance_file(fs::path path) { return path.replace_extension(".json"); }

// Fields that are in every provenance of ours, or that a person put there for us. A file of the same name may be
// another's.
bool is_provenance(const Json& json) {
  return json.is_object() &&
         (json.contains("extractor_sha256") || (json.contains("count") && json.contains("features")));
}

const at::Tensor& array_of(const tensor::NamedTensors& arrays, const char* name, const fs::path& path) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) fail(Exit::data, "'{}' has no {}, so it holds no statistics", path.string(), name);
  return found->second;
}

}  // namespace

bool is_statistics_file(const fs::path& path) {
  if (path.extension() != ".npz") return false;
  const std::vector<std::string> names = tensor::npz_names(path);
  return std::find(names.begin(), names.end(), "mu") != names.end();
}

GaussianStatistics read_statistics(const fs::path& path) {
  const tensor::NamedTensors arrays = tensor::read_npz(path, {"mu", "sigma"});
  GaussianStatistics s;
  s.mean = array_of(arrays, "mu", path).to(at::kDouble);
  s.covariance = array_of(arrays, "sigma", path).to(at::kDouble);
  const int64_t features = s.mean.numel();
  if (s.mean.dim() != 1 || features == 0 || s.covariance.sizes() != at::IntArrayRef({features, features}))
    fail(Exit::data, "'{}': mu is [{}] and sigma [{}]; expected [F] and [F, F]", path.string(),
         fmt::join(s.mean.sizes(), ", "), fmt::join(s.covariance.sizes(), ", "));
  if (!at::isfinite(s.mean).all().item<bool>() || !at::isfinite(s.covariance).all().item<bool>())
    fail(Exit::data, "'{}' holds values that are not finite", path.string());
  const auto largest = s.covariance.abs().max().item<double>();
  if ((s.covariance - s.covariance.t()).abs().max().item<double>() > 1e-6 * largest)
    fail(Exit::data, "'{}': sigma is not symmetric", path.string());
  const Json provenance = read_provenance(path);
  if (provenance.is_null() && fs::exists(provenance_file(path)))
    log::info("'{}' is of another kind: it says nothing of the extractor and the count of '{}'",
              provenance_file(path).string(), path.string());
  if (provenance.is_object()) s.count = json_field_or(provenance, "count", int64_t{0}, provenance_file(path));
  return s;
}

Json read_provenance(const fs::path& path) {
  const fs::path file = provenance_file(path);
  if (!fs::exists(file)) return nullptr;
  const std::string text = read_file(file);
  Json provenance = Json::parse(text, nullptr, false);
  if (is_provenance(provenance)) return provenance;
  if (provenance.is_discarded() && text.find("\"extractor_sha256\"") != std::string::npos)
    fail(Exit::data, "'{}' is damaged: it should say what {} holds", file.string(), path.string());
  return nullptr;
}

void write_statistics(const fs::path& path, const GaussianStatistics& statistics, Json provenance) {
  provenance["count"] = statistics.count;
  provenance["features"] = statistics.mean.numel();
  tensor::write_npz(path, {{"mu", statistics.mean}, {"sigma", statistics.covariance.contiguous()}});
  write_file(provenance_file(path), json_text(provenance, 2) + "\n");
}

void require_provenance(const fs::path& path, const Json& provenance, const Json& expected) {
  for (const auto& [key, value] : expected.items())
    if (provenance.contains(key) && provenance[key] != value)
      fail(Exit::data, "'{}' holds statistics with {} {}, but {} is needed; give the images or other statistics",
           path.string(), key, provenance[key].dump(), value.dump());
}

}  // namespace ddls::metrics
