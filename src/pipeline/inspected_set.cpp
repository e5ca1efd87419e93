#include "pipeline/inspected_set.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "data/cifar10.hpp"
#include "data/idx.hpp"
#include "data/image_folder.hpp"
#include "data/npz_set.hpp"
#include "data/tar_set.hpp"
#include "metrics/statistics_file.hpp"
#include "tensor/image_header.hpp"
#include "tensor/image_io.hpp"

namespace ddls::pipeline {
namespace {

uint64_t content_of(const at::Tensor& sample) {
  const at::Tensor dense = sample.contiguous();
  const uint64_t shape = hash64(std::as_bytes(std::span(dense.sizes().data(), dense.sizes().size())));
  return hash64(std::span(static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()), shape);
}

Seen seen(const at::Tensor& sample) {
  Seen result;
  result.content = content_of(sample);
  if (sample.dim() != 3) return result;
  result.size = fmt::format("{}x{}", sample.size(2), sample.size(1));
  result.channels = sample.size(0);
  return result;
}

Seen seen(const data::ImageSource& source, int64_t id) {
  try {
    const std::string bytes = source.bytes(id);
    tensor::PixelNotes notes;
    Seen result = seen(tensor::decode_image(bytes, 0, source.name(id), 0, {}, &notes));
    tensor::ImageHeader header = tensor::image_header(bytes);
    result.format = std::move(header.format);
    result.conversions = std::move(header.conversions);
    if (notes.transparent) result.conversions.emplace_back("transparent");
    if (notes.orientation != 1) result.conversions.emplace_back("exif_orientation");
    if (!notes.oddity.empty()) result.conversions.emplace_back("odd");
    return result;
  } catch (const Error& error) {
    if (error.code() != Exit::data) throw;
    Seen damaged;
    damaged.damage = error.what();
    return damaged;
  }
}

template <typename Opened>
InspectedSet of_files(const char* kind, Opened opened) {
  InspectedSet set;
  set.kind = kind;
  const std::shared_ptr<const data::ImageSource> source = opened.images;
  set.count = source->size();
  set.look = [source](IdRange ids) {
    std::vector<Seen> all(static_cast<size_t>(ids.size()));
    at::parallel_for(ids.begin, ids.end, 1, [&](int64_t begin, int64_t end) {
      for (int64_t id = begin; id < end; ++id) all[static_cast<size_t>(id - ids.begin)] = seen(*source, id);
    });
    return all;
  };
  set.name_of = [source](int64_t id) { return source->name(id); };
  set.labels = opened.labels;
  set.class_names = opened.class_names;
  set.left_out = opened.left_out;
  return set;
}

using Rows = std::function<at::Tensor(IdRange)>;

InspectedSet of_rows(const char* kind, int64_t count, std::vector<int64_t> shape, const at::Tensor& labels, Rows rows) {
  InspectedSet set;
  set.kind = kind;
  set.count = count;
  set.shape = std::move(shape);
  set.labels = labels;
  set.look = [rows = std::move(rows)](IdRange ids) {
    const at::Tensor some = rows(ids);
    std::vector<Seen> all;
    for (int64_t i = 0; i < ids.size(); ++i) all.push_back(seen(some[i]));
    return all;
  };
  set.name_of = [](int64_t id) { return fmt::format("sample {}", id); };
  return set;
}

InspectedSet of_tensor(const char* kind, const at::Tensor& samples, const at::Tensor& labels) {
  return of_rows(kind, samples.size(0), samples.sizes().slice(1).vec(), labels,
                 [samples](IdRange ids) { return samples.narrow(0, ids.begin, ids.size()); });
}

InspectedSet of_npz(const char* kind, const fs::path& path) {
  const auto file = std::make_shared<data::NpzSetFile>(path);
  return of_rows(kind, file->size(), file->shape(), file->labels(), [file](IdRange ids) { return file->rows(ids); });
}

InspectedSet of_statistics(const fs::path& path) {
  const metrics::GaussianStatistics statistics = metrics::read_statistics(path);
  InspectedSet set;
  set.kind = "statistics";
  set.more = {{"features", statistics.mean.numel()},
              {"statistics_of", statistics.count > 0 ? Json(statistics.count) : nullptr},
              {"provenance", metrics::read_provenance(path)}};
  return set;
}

InspectedSet of_folder(const fs::path& path) {
  if (data::is_tar_set(path)) {
    data::TarSet tar = data::open_tar_set(path, /*skip_damaged=*/false);
    InspectedSet set = of_files("tar archives", tar);
    set.unlabelled = tar.unlabelled;
    return set;
  }
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path.string());
  if (fs::exists(path / "samples.npz")) return of_npz("samples of a run", path / "samples.npz");
  if (!fs::exists(path / "data_batch_1.bin")) return of_files("folder of images", data::open_image_folder(path));
  const data::Cifar10 cifar = data::read_cifar10(path, /*test=*/false);
  return of_tensor("CIFAR-10", cifar.images, cifar.labels);
}

// The first bytes, decompressed.
std::string beginning(const fs::path& path) {
  std::string bytes(8, '\0');
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) fail(Exit::missing, "cannot open '{}': {}", path.string(), system_text(errno));
  const int n = gzread(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose_r(file);
  bytes.resize(static_cast<size_t>(std::max(n, 0)));
  return bytes;
}

InspectedSet of_file(const fs::path& path) {
  const std::string begins = beginning(path);
  if (begins.starts_with("\x93NUMPY")) {
    const data::Dataset set = data::read_npy_set(path, {});
    return of_tensor("npy", set.samples, {});
  }
  if (begins.starts_with("PK")) {
    const std::vector<std::string> names = tensor::npz_names(path);
    const bool samples = std::find(names.begin(), names.end(), "arr_0") != names.end();
    return metrics::is_statistics_file(path) && !samples ? of_statistics(path) : of_npz("npz", path);
  }
  using namespace std::string_view_literals;
  if (begins.starts_with("\0\0\x08\x03"sv)) return of_tensor("idx", data::read_idx_images(path), {});
  if (begins.starts_with("\0\0\x08\x01"sv))
    fail(Exit::data, "'{}' holds idx labels; inspect the file of their images", path.string());
  if (data::extension_of(path.native()) == "bin") {
    const data::Cifar10 cifar = data::read_cifar10(path, /*test=*/false);
    return of_tensor("CIFAR-10", cifar.images, cifar.labels);
  }
  fail(Exit::data,
       "'{}' is no set: neither a folder, nor .tar, .tar.gz, .npz, .npy, idx, nor a .bin of CIFAR-10 by its content",
       path.string());
}

}  // namespace

InspectedSet open_inspected_set(const std::string& path) {
  const bool file = fs::is_regular_file(path) && !data::is_tar_set(path);
  InspectedSet set = file ? of_file(path) : of_folder(path);
  set.name = (fs::path(path) / "").lexically_normal().parent_path().filename().string();
  return set;
}

}  // namespace ddls::pipeline
