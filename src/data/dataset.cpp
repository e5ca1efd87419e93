#include "data/dataset.hpp"

#include <ATen/ATen.h>

#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/fit_image.hpp"
#include "data/idx.hpp"
#include "data/image_folder.hpp"
#include "data/npz_set.hpp"
#include "data/toy.hpp"
#include "tensor/image_io.hpp"

namespace ddls {
namespace {

// What the configuration says about one split, with the names of its keys for messages.
struct Source {
  std::string path, labels;
  const char* key;
  const char* labels_key;
};

Source source_of(const DataConfig& config, Split split) {
  if (split == Split::train) return {config.train, config.train_labels, "data.train", "data.train_labels"};
  return {config.test, config.test_labels, "data.test", "data.test_labels"};
}

void require_path(const std::string& path, const char* key) {
  if (fs::exists(path)) return;
  const bool fashion = path.find("data/fashion-mnist") != std::string::npos;
  fail(Exit::missing, "{}: '{}' does not exist{}", key, path,
       fashion ? "; get it with: launch/setup.sh --data fashion-mnist" : "");
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
  set.name = fmt::format("{} {}", fs::absolute(source.path).parent_path().filename().string(),
                         split == Split::train ? "train" : "test");
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

Dataset from_folder(const fs::path& path, const ImageFolderOptions& options) {
  const ImageFolder folder = read_image_folder(path, options);
  return {folder_name(path), folder.images, folder.labels, folder.damaged};
}

bool skip_damaged(const std::string& word) {
  if (word != "fatal" && word != "skip") fail(Exit::config, "data.damaged is 'fatal' or 'skip', not '{}'", word);
  return word == "skip";
}

// data.image_size and data.channels for sets that come as one array.
void conform(Dataset& set, const DataConfig& config) {
  if (!set.images()) return;
  if (config.channels != 0) set.samples = with_channels(set.samples, config.channels).contiguous();
  const int64_t size = config.image_size;
  if (size == 0 || (set.samples.size(2) == size && set.samples.size(3) == size)) return;
  at::Tensor fitted = at::empty({set.size(), set.samples.size(1), size, size}, at::kByte);
  for (int64_t i = 0; i < set.size(); ++i) fitted[i].copy_(fit_image(set.samples[i], size));
  set.samples = fitted;
}

}  // namespace

int64_t Dataset::classes() const { return labels.defined() && size() > 0 ? labels.max().item<int64_t>() + 1 : 0; }

uint64_t Dataset::digest() const {
  uint64_t digest = 0;
  for (const at::Tensor& tensor : {samples, labels}) {
    if (!tensor.defined()) continue;
    const at::Tensor dense = tensor.contiguous();
    digest = hash64(std::as_bytes(std::span(dense.sizes().data(), dense.sizes().size())), digest);
    digest = hash64(std::span(static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()), digest);
  }
  return digest;
}

Dataset open_dataset(const DataConfig& config, Split split, uint64_t seed) {
  const bool toy = config.kind == "gaussians25" || config.kind == "swiss_roll";
  if (toy) {
    if (config.kind == "swiss_roll") return {"swiss roll", swiss_roll(config.points, toy_seed(split, seed)), {}, 0};
    return {"25 Gaussians", gaussians25(config.points, toy_seed(split, seed)), {}, 0};
  }
  const Source source = source_of(config, split);
  if (source.path.empty()) {
    if (split == Split::test) return {};
    fail(Exit::config, "data.train: data.kind '{}' needs the path of its training set", config.kind);
  }
  require_path(source.path, source.key);
  Dataset set;
  if (config.kind == "idx") {
    set = open_idx(source, split);
  } else if (config.kind == "images") {
    return from_folder(source.path, {config.image_size, config.channels, skip_damaged(config.damaged)});
  } else if (config.kind == "npz") {
    set = read_npz_set(source.path);
  } else {
    fail(Exit::config, "data.kind '{}' is not known", config.kind);
  }
  conform(set, config);
  return set;
}

Dataset open_set(const std::string& path, const std::string& damaged) {
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path);
  if (!fs::is_directory(path)) return read_npz_set(path);
  const fs::path of_a_run = fs::path(path) / "samples.npz";
  if (!fs::exists(of_a_run)) return from_folder(path, {0, 0, skip_damaged(damaged)});
  Dataset set = read_npz_set(of_a_run);
  set.name = folder_name(path);
  return set;
}

at::Tensor network_input(const Dataset& data, const at::Tensor& ids) {
  const at::Tensor rows = data.samples.index_select(0, ids);
  return data.images() ? dequantise(rows) : rows;
}

}  // namespace ddls
