#include "data/npz_set.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "tensor/npz.hpp"

namespace ddls {
namespace {

namespace fs = std::filesystem;

// `where`: file and array, for messages.
at::Tensor samples_of(const at::Tensor& array, const std::string& where) {
  const auto dtype = array.scalar_type();
  if (array.numel() == 0) fail(Exit::data, "{} is empty", where);
  if (array.dim() == 4 && dtype == at::kByte && (array.size(3) == 1 || array.size(3) == 3)) {
    return array.permute({0, 3, 1, 2}).contiguous();
  }
  if (array.dim() != 2 || dtype != at::kFloat) {
    fail(Exit::data, "{} is {} {}, expected uint8 [N, H, W, 1 or 3] or float32 [N, d]", where, c10::toString(dtype),
         fmt::format("[{}]", fmt::join(array.sizes(), ", ")));
  }
  if (!at::isfinite(array).all().item<bool>()) {
    fail(Exit::data, "{} holds values that are not finite", where);
  }
  return array;
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

}  // namespace

Dataset read_npz_set(const fs::path& path) {
  const NamedTensors arrays = read_npz(path);
  const auto samples = arrays.find("arr_0");
  if (samples == arrays.end()) {
    std::string names;
    for (const auto& [name, tensor] : arrays) names += (names.empty() ? "" : ", ") + name;
    fail(Exit::data, "'{}' has no arr_0, so it is no set of samples (it holds: {})", path.string(), names);
  }
  Dataset set;
  set.name = path.stem().string();
  set.samples = samples_of(samples->second, fmt::format("'{}': arr_0", path.string()));
  if (const auto labels = arrays.find("arr_1"); labels != arrays.end()) {
    set.labels = labels_of(labels->second, set.size(), fmt::format("'{}': arr_1", path.string()));
  }
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
