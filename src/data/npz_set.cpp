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
at::Tensor samples_of(const at::Tensor& rows, const std::string& where) {
  if (rows.dim() == 4) return rows.permute({0, 3, 1, 2}).contiguous();
  if (!at::isfinite(rows).all().item<bool>()) fail(Exit::data, "{} holds values that are not finite", where);
  return rows;
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

bool holds(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The name of the array of samples.
std::string samples_in(const fs::path& path, const std::vector<std::string>& names) {
  if (!holds(names, "arr_0"))
    fail(Exit::data, "'{}' has no arr_0, so it is no set of samples (it holds: {})", path.string(),
         fmt::join(names, ", "));
  return "arr_0";
}

at::Tensor whole(const NpzArray& array) { return array.rows(0, array.sizes().front()); }

}  // namespace

NpzSetFile::NpzSetFile(const fs::path& path)
    : where_(fmt::format("'{}': arr_0", path.string())), samples_(path, samples_in(path, npz_names(path))) {
  check_form(samples_.dtype(), samples_.sizes(), where_);
  if (holds(npz_names(path), "arr_1"))
    labels_ = labels_of(whole(NpzArray(path, "arr_1")), size(), fmt::format("'{}': arr_1", path.string()));
}

at::Tensor NpzSetFile::rows(IdRange ids) const { return samples_of(samples_.rows(ids.begin, ids.size()), where_); }

Dataset read_npz_set(const fs::path& path) {
  const NpzSetFile file(path);
  return {path.stem().string(), file.rows({0, file.size()}), file.labels()};
}

Dataset read_npy_set(const fs::path& path, const fs::path& labels) {
  Dataset set;
  set.name = path.stem().string();
  const std::string where = fmt::format("'{}'", path.string());
  const at::Tensor array = read_npy(path);
  check_form(array.scalar_type(), array.sizes(), where);
  set.samples = samples_of(array, where);
  if (!labels.empty()) set.labels = labels_of(read_npy(labels), set.size(), fmt::format("'{}'", labels.string()));
  return set;
}

}  // namespace ddls
