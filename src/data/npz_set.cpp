#include "data/npz_set.hpp"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <algorithm>

#include "base/error.hpp"
#include "tensor/npz.hpp"

namespace ddls {
namespace {

namespace fs = std::filesystem;

// `where`: file and array, for messages.
void check_form(at::ScalarType dtype, at::IntArrayRef sizes, const std::string& where) {
  if (c10::multiply_integers(sizes) == 0) fail(Exit::data, "{} is empty", where);
  const bool images = sizes.size() == 4 && dtype == at::kByte && (sizes[3] == 1 || sizes[3] == 3);
  const bool points = sizes.size() == 2 && dtype == at::kFloat;
  if (!images && !points)
    fail(Exit::data, "{} is {} [{}], expected uint8 [N, H, W, 1 or 3] or float32 [N, d]", where, c10::toString(dtype),
         fmt::join(sizes, ", "));
}

// Of rows whose form has been checked.
at::Tensor converted(const at::Tensor& rows, const std::string& where) {
  if (rows.dim() == 4) return rows.permute({0, 3, 1, 2}).contiguous();
  if (!at::isfinite(rows).all().item<bool>()) fail(Exit::data, "{} holds values that are not finite", where);
  return rows;
}

at::Tensor samples_of(const at::Tensor& array, const std::string& where) {
  check_form(array.scalar_type(), array.sizes(), where);
  return converted(array, where);
}

at::Tensor labels_of(const at::Tensor& array, int64_t count, const std::string& where) {
  const auto dtype = array.scalar_type();
  if (array.dim() != 1 || array.size(0) != count || (dtype != at::kLong && dtype != at::kInt && dtype != at::kByte)) {
    fail(Exit::data, "{} is {} {}, expected one int64 label for each of {} samples", where, c10::toString(dtype),
         fmt::format("[{}]", fmt::join(array.sizes(), ", ")), count);
  }
  const at::Tensor labels = array.to(at::kLong);
  if (labels.min().item<int64_t>() < 0) fail(Exit::data, "{} holds negative labels", where);
  return labels;
}

constexpr const char *samples_name = "arr_0", *labels_name = "arr_1";

std::string place(const fs::path& path, const char* array) { return fmt::format("'{}': {}", path.string(), array); }

// Whether arrays of these names are a set with labels. Throws Error(data) where they are no set.
bool labelled(const fs::path& path, const std::vector<std::string>& names) {
  const auto holds = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (!holds(samples_name))
    fail(Exit::data, "'{}' has no {}, so it is no set of samples (it holds: {})", path.string(), samples_name,
         fmt::join(names, ", "));
  return holds(labels_name);
}

}  // namespace

NpzSetFile::NpzSetFile(const fs::path& path) : NpzSetFile(path, labelled(path, npz_names(path))) {}

NpzSetFile::NpzSetFile(const fs::path& path, bool labelled)
    : where_(place(path, samples_name)), samples_(path, samples_name) {
  check_form(samples_.dtype(), samples_.sizes(), where_);
  if (!labelled) return;
  const NpzArray labels(path, labels_name);
  labels_ = labels_of(labels.rows(0, labels.sizes().front()), size(), place(path, labels_name));
}

std::vector<int64_t> NpzSetFile::shape() const {
  const std::vector<int64_t>& sizes = samples_.sizes();
  if (sizes.size() == 2) return {sizes[1]};
  return {sizes[3], sizes[1], sizes[2]};
}

at::Tensor NpzSetFile::rows(IdRange ids) const { return converted(samples_.rows(ids.begin, ids.size()), where_); }

Dataset read_npz_set(const fs::path& path) {
  const NamedTensors arrays = read_npz(path);
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  const bool has_labels = labelled(path, names);
  Dataset set{path.stem().string(), samples_of(arrays.at(samples_name), place(path, samples_name)), {}};
  if (has_labels) set.labels = labels_of(arrays.at(labels_name), set.size(), place(path, labels_name));
  return set;
}

Dataset read_npy_set(const fs::path& path, const fs::path& labels) {
  Dataset set;
  set.name = path.stem().string();
  set.samples = samples_of(read_npy(path), fmt::format("'{}'", path.string()));
  if (!labels.empty()) set.labels = labels_of(read_npy(labels), set.size(), fmt::format("'{}'", labels.string()));
  return set;
}

}  // namespace ddls
