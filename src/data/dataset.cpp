#include "data/dataset.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/cifar10.hpp"
#include "data/fit_image.hpp"
#include "data/idx.hpp"
#include "data/image_folder.hpp"
#include "data/npz_set.hpp"
#include "data/tar_set.hpp"
#include "data/toy.hpp"
#include "tensor/image_io.hpp"

namespace ddls::data {
namespace {

// What the configuration says about one split, with the names of its keys for messages.
struct Source {
  std::string path, labels;
  const char* key;
  const char* labels_key;
};

Source source_of(const config::DataConfig& config, Split split) {
  if (split == Split::train) return {config.train, config.train_labels, "data.train", "data.train_labels"};
  return {config.test, config.test_labels, "data.test", "data.test_labels"};
}

const char* name_of(Split split) { return split == Split::train ? "train" : "test"; }

void require_path(const std::string& path, const char* key) {
  if (fs::exists(path)) return;
  const auto names = [&](const char* part) { return path.find(part) != std::string::npos; };
  fail(Exit::missing, "{}: '{}' does not exist{}", key, path,
       names("data/fashion-mnist")     ? "; get it with: launch/setup.sh --data fashion-mnist"
       : names("data/mnist")           ? "; get it with: launch/fetch.sh mnist"
       : names("cifar-10-batches-bin") ? "; get it with: launch/fetch.sh cifar10"
                                       : "");
}

std::string folder_name(const fs::path& folder) {
  const fs::path clean = (folder / "").lexically_normal().parent_path();  // without a slash at the end
  const std::string last = clean.filename().string();
  const bool split = last == "train" || last == "test" || last == "val" || last == "valid";
  return split && clean.has_parent_path() ? clean.parent_path().filename().string() + " " + last : last;
}

// Another seed for the second draw; fixed, so that training and test set are the same in every run of a seed.
uint64_t toy_seed(Split split, uint64_t seed) { return split == Split::train ? seed : hash64("test set", seed); }

Dataset open_idx(const Source& source, Split split) {
  Dataset set;
  set.name = fmt::format("{} {}", fs::absolute(source.path).parent_path().filename().string(), name_of(split));
  set.samples = read_idx_images(source.path);
  if (source.labels.empty()) return set;
  require_path(source.labels, source.labels_key);
  set.labels = read_idx_labels(source.labels);
  if (set.labels.size(0) != set.size()) {
    fail(Exit::data, "'{}' holds {} images, '{}' {} labels", source.path, set.size(), source.labels,
         set.labels.size(0));
  }
  return set;
}

Dataset open_cifar10(const Source& source, Split split) {
  const Cifar10 read = read_cifar10(source.path, split == Split::test);
  return {fmt::format("CIFAR-10 {}", name_of(split)), read.images, read.labels};
}

Dataset open_npy(const Source& source) {
  if (source.labels.empty()) return read_npy_set(source.path, {});
  require_path(source.labels, source.labels_key);
  return read_npy_set(source.path, source.labels);
}

Dataset from_folder(const fs::path& path, const DecodeOptions& options, bool on_demand) {
  if (on_demand) {
    FolderSource folder = open_image_folder(path);
    const auto lazy = std::make_shared<LazyImages>(std::move(folder.images), options);
    return {folder_name(path), {}, folder.labels, 0, lazy, std::move(folder.class_names), std::move(folder.left_out)};
  }
  ImageFolder folder = read_image_folder(path, options);
  return {
      folder_name(path),         folder.images, folder.labels, folder.damaged, nullptr, std::move(folder.class_names),
      std::move(folder.left_out)};
}

Dataset from_tar(const fs::path& path, const DecodeOptions& options) {
  TarSet tar = open_tar_set(path, options.skip_damaged);
  const auto lazy = std::make_shared<LazyImages>(std::move(tar.images), options);
  return {
      folder_name(path),        {}, tar.labels, tar.damaged, lazy, std::move(tar.class_names), std::move(tar.left_out),
      std::move(tar.unlabelled)};
}

bool skip_damaged(const std::string& word) {
  if (word != "fatal" && word != "skip") fail(Exit::config, "data.damaged is 'fatal' or 'skip', not '{}'", word);
  return word == "skip";
}

tensor::Alpha alpha_of(const std::string& word) {
  if (word == "drop") return tensor::Alpha::drop;
  if (word == "black") return tensor::Alpha::black;
  if (word == "white") return tensor::Alpha::white;
  fail(Exit::config, "data.alpha is 'drop', 'black' or 'white', not '{}'", word);
}

bool apply_exif(const std::string& word) {
  if (word != "ignore" && word != "apply") fail(Exit::config, "data.exif is 'ignore' or 'apply', not '{}'", word);
  return word == "apply";
}

// data.image_size and data.channels for sets that come as one array.
void conform(Dataset& set, const config::DataConfig& config) {
  if (!set.images()) return;
  if (config.channels != 0) set.samples = tensor::with_channels(set.samples, config.channels).contiguous();
  const int64_t size = config.image_size;
  if (size == 0 || (set.samples.size(2) == size && set.samples.size(3) == size)) return;
  at::Tensor fitted = at::empty({set.size(), set.samples.size(1), size, size}, at::kByte);
  for (int64_t i = 0; i < set.size(); ++i) fitted[i].copy_(fit_image(set.samples[i], size));
  set.samples = fitted;
}

// data.first_label: the numbers stay the classes' names. Class folders have names already.
void count_from(Dataset& set, int64_t first) {
  if (first == 0 || !set.labels.defined() || !set.class_names.empty()) return;
  const std::vector<int64_t> seen = set.classes_seen();
  if (seen.front() < first)
    fail(Exit::config, "data.first_label is {}, but '{}' has labels from {}", first, set.name, seen.front());
  for (int64_t label = first; label <= seen.back(); ++label) set.class_names.push_back(std::to_string(label));
  set.labels = set.labels - first;
}

}  // namespace

std::vector<int64_t> Dataset::shape() const {
  ensure(size() > 0, "the shape of an empty data set");
  return lazy ? lazy->shape() : samples.sizes().slice(1).vec();
}

int64_t Dataset::classes() const { return labels.defined() && size() > 0 ? labels.max().item<int64_t>() + 1 : 0; }

std::string Dataset::why_no_labels() const {
  return fmt::format("'{}' has no labels{}{}", name, unlabelled.empty() ? "" : ": ", unlabelled);
}

std::vector<int64_t> Dataset::classes_seen() const {
  return labels.defined() && size() > 0 ? classes_with_samples(labels) : std::vector<int64_t>{};
}

uint64_t Dataset::digest() const {
  uint64_t digest = lazy ? lazy->digest() : 0;
  for (const at::Tensor& tensor : {samples, labels}) {
    if (!tensor.defined()) continue;
    const at::Tensor dense = tensor.contiguous();
    digest = hash64(std::as_bytes(std::span(dense.sizes().data(), dense.sizes().size())), digest);
    digest = hash64(std::span(static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()), digest);
  }
  return digest;
}

Dataset::Rows Dataset::take(const at::Tensor& ids) const {
  if (!lazy) return {samples.index_select(0, ids), labels.defined() ? labels.index_select(0, ids) : labels};
  LazyImages::Rows rows = lazy->rows(ids);
  return {rows.images, labels.defined() ? labels.index_select(0, rows.ids) : labels};
}

at::Tensor Dataset::rows(int64_t begin, int64_t count) const {
  return lazy ? rows(at::arange(begin, begin + count, at::kLong)) : samples.narrow(0, begin, count);
}

Dataset Dataset::part(const at::Tensor& ids, const std::string& part_name) const {
  Dataset chosen{part_name, {}, labels.defined() ? labels.index_select(0, ids) : labels};
  chosen.class_names = class_names;
  if (lazy)
    chosen.lazy = lazy->part(ids);
  else
    chosen.samples = samples.index_select(0, ids);
  return chosen;
}

DecodeOptions as_stored(const config::DataConfig& config) {
  return {0, 0, skip_damaged(config.damaged), {alpha_of(config.alpha), apply_exif(config.exif)}};
}

Dataset open_dataset(const config::DataConfig& config, Split split, uint64_t seed) {
  const bool toy = config.kind == "gaussians25" || config.kind == "swiss_roll";
  if (toy) {
    if (config.kind == "swiss_roll") return {"swiss roll", swiss_roll(config.points, toy_seed(split, seed)), {}};
    return {"25 Gaussians", gaussians25(config.points, toy_seed(split, seed)), {}};
  }
  const Source source = source_of(config, split);
  if (source.path.empty()) {
    if (split == Split::test) return {};
    fail(Exit::config, "data.train: data.kind '{}' needs the path of its training set", config.kind);
  }
  if (config.kind != "tar" || !is_tar_set(source.path)) require_path(source.path, source.key);
  DecodeOptions options = as_stored(config);
  options.size = config.image_size;
  options.channels = config.channels;
  Dataset set;
  if (config.kind == "images") {
    set = from_folder(source.path, options, config.on_demand);
  } else if (config.kind == "tar") {
    set = from_tar(source.path, options);
  } else if (config.kind == "idx") {
    set = open_idx(source, split);
  } else if (config.kind == "cifar10") {
    set = open_cifar10(source, split);
  } else if (config.kind == "npz") {
    set = read_npz_set(source.path);
  } else if (config.kind == "npy") {
    set = open_npy(source);
  } else {
    fail(Exit::config, "data.kind '{}' is not known", config.kind);
  }
  if (!set.lazy) conform(set, config);
  count_from(set, config.first_label);
  return set;
}

Dataset open_set(const std::string& path, const DecodeOptions& options) {
  if (is_tar_set(path)) return from_tar(path, options);
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path);
  if (fs::path(path).extension() == ".npy") return read_npy_set(path, {});
  if (!fs::is_directory(path)) return read_npz_set(path);
  const fs::path of_a_run = fs::path(path) / "samples.npz";
  if (!fs::exists(of_a_run)) return from_folder(path, options, false);
  Dataset set = read_npz_set(of_a_run);
  set.name = folder_name(path);
  return set;
}

}  // namespace ddls::data
