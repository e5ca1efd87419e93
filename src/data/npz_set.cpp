#include "data/npz_set.hpp"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <algorithm>

#include "base/error.hpp"
#include "tensor/npz.hpp"

namespace ddls::data {
namespace {

namespace fs = std::filesystem;

bool is_float(at::ScalarType dtype) { return at::isFloatingType(dtype); }

// What a person can do about samples of another form.
std::string cure(at::ScalarType dtype, at::IntArrayRef sizes) {
  const auto channels = [](int64_t n) { return n == 1 || n == 3; };
  if (sizes.size() == 4 && dtype == at::kByte && channels(sizes[1]))
    return "; its channels seem to come first: save x.transpose(0, 2, 3, 1)";
  if (sizes.size() == 4 && dtype == at::kByte && sizes[3] == 4) return "; of four channels save x[..., :3]";
  if (sizes.size() == 4 && dtype != at::kByte)
    return "; save the pixels as they are stored, 0 to 255, with .astype('uint8')";
  if (sizes.size() == 3) return "; grey images have a channel too: save x[..., None]";
  if (sizes.size() == 2)
    return "; save points with .astype('float32'), and flattened images with their height and width";
  return {};
}

// `where`: file and array, for messages.
void check_form(at::ScalarType dtype, at::IntArrayRef sizes, const std::string& where) {
  if (c10::multiply_integers(sizes) == 0) fail(Exit::data, "{} is empty", where);
  const bool images = sizes.size() == 4 && dtype == at::kByte && (sizes[3] == 1 || sizes[3] == 3);
  const bool points = sizes.size() == 2 && is_float(dtype);
  if (!images && !points)
    fail(Exit::data, "{} is {} [{}], expected uint8 [N, H, W, 1 or 3] or float32 [N, d]{}", where, c10::toString(dtype),
         fmt::join(sizes, ", "), cure(dtype, sizes));
}

// Of rows whose form has been checked.
at::Tensor converted(const at::Tensor& rows, const std::string& where) {
  if (rows.dim() == 4) return rows.permute({0, 3, 1, 2}).contiguous();
  const at::Tensor points = rows.to(at::kFloat);
  if (!at::isfinite(points).all().item<bool>())
    fail(Exit::data, "{} holds values that are not finite{}", where,
         rows.scalar_type() == at::kDouble ? " as float32" : "");
  return points;
}

at::Tensor samples_of(const at::Tensor& array, const std::string& where) {
  check_form(array.scalar_type(), array.sizes(), where);
  return converted(array, where);
}

// Whole numbers of any type, [N] or [N, 1].
at::Tensor labels_of(const at::Tensor& array, int64_t count, const std::string& where) {
  const bool column = array.dim() == 2 && array.size(1) == 1;
  if ((array.dim() != 1 && !column) || array.size(0) != count)
    fail(Exit::data, "{} is {} [{}], expected one label for each of {} samples{}", where,
         c10::toString(array.scalar_type()), fmt::join(array.sizes(), ", "), count,
         array.dim() == 2 && array.size(0) == count ? "; of one-hot rows save y.argmax(1)" : "");
  const at::Tensor flat = column ? array.squeeze(1) : array;
  const at::Tensor labels = flat.to(at::kLong);
  if (is_float(flat.scalar_type()) && !labels.to(at::kDouble).equal(flat.to(at::kDouble)))
    fail(Exit::data, "{} holds labels that are no whole numbers", where);
  if (labels.min().item<int64_t>() < 0) fail(Exit::data, "{} holds negative labels", where);
  return labels.contiguous();
}

constexpr const char *samples_name = "arr_0", *labels_name = "arr_1";

std::string place(const fs::path& path, const char* array) { return fmt::format("'{}': {}", path.string(), array); }

// Whether arrays of these names are a set with labels. Throws Error(data) where they are no set.
bool labelled(const fs::path& path, const std::vector<std::string>& names) {
  const auto holds = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (names.empty())
    fail(Exit::data, "'{}' holds no arrays; images in a .zip are read from a folder or a .tar: unpack it first",
         path.string());
  if (!holds(samples_name))
    fail(Exit::data, "'{}' has no {}, so it is no set of samples (it holds: {})", path.string(), samples_name,
         fmt::join(names, ", "));
  return holds(labels_name);
}

}  // namespace

NpzSetFile::NpzSetFile(const fs::path& path) : NpzSetFile(path, labelled(path, tensor::npz_names(path))) {}

NpzSetFile::NpzSetFile(const fs::path& path, bool labelled)
    : where_(place(path, samples_name)), samples_(path, samples_name) {
  check_form(samples_.dtype(), samples_.sizes(), where_);
  if (!labelled) return;
  labels_ = labels_of(tensor::read_npz(path, {labels_name}).at(labels_name), size(), place(path, labels_name));
  class_names_ = class_names_beside(path);
}

std::vector<int64_t> NpzSetFile::shape() const {
  const std::vector<int64_t>& sizes = samples_.sizes();
  if (sizes.size() == 2) return {sizes[1]};
  return {sizes[3], sizes[1], sizes[2]};
}

at::Tensor NpzSetFile::rows(IdRange ids) const { return converted(samples_.rows(ids.begin, ids.size()), where_); }

Dataset read_npz_set(const fs::path& path) {
  const bool has_labels = labelled(path, tensor::npz_names(path));
  const tensor::NamedTensors arrays = tensor::read_npz(path, {samples_name, labels_name});
  Dataset set{path.stem().string(), samples_of(arrays.at(samples_name), place(path, samples_name)), {}};
  if (!has_labels) return set;
  set.labels = labels_of(arrays.at(labels_name), set.size(), place(path, labels_name));
  set.class_names = class_names_beside(path);
  return set;
}

Dataset read_npy_set(const fs::path& path, const fs::path& labels) {
  Dataset set;
  set.name = path.stem().string();
  set.samples = samples_of(tensor::read_npy(path), fmt::format("'{}'", path.string()));
  if (!labels.empty())
    set.labels = labels_of(tensor::read_npy(labels), set.size(), fmt::format("'{}'", labels.string()));
  return set;
}

}  // namespace ddls::data
