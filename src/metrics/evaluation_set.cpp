#include "metrics/evaluation_set.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/image_folder.hpp"
#include "data/image_part.hpp"
#include "data/npz_set.hpp"
#include "data/tar_set.hpp"
#include "metrics/statistics_file.hpp"
#include "tensor/image_io.hpp"
#include "tensor/npz.hpp"

namespace ddls::metrics {
namespace {

std::string name_of(const fs::path& path) { return (path / "").lexically_normal().parent_path().filename().string(); }

// Encoded images, and how they become pixels.
struct Images {
  std::shared_ptr<const data::ImageSource> source;
  data::DecodeOptions options;
  std::shared_ptr<data::PixelLog> log;

  at::Tensor decode(int64_t id) const {
    const std::string name = source->name(id);
    tensor::PixelNotes notes;
    at::Tensor image = tensor::decode_image(source->bytes(id), 0, name, 0, options.rules, &notes);
    log->add(notes, name);
    return image;
  }

  bool is_damaged(int64_t id) const {
    try {
      decode(id);
      return false;
    } catch (const Error& error) {
      if (error.code() != Exit::data) throw;
      log::warning("skipped: {}", error.what());
      return true;
    }
  }

  // Of the first image that can be read.
  std::vector<int64_t> shape() const {
    for (int64_t id = 0;; ++id) {
      try {
        return decode(id).sizes().vec();
      } catch (const Error& error) {
        if (error.code() != Exit::data || !options.skip_damaged || id + 1 == source->size()) throw;
      }
    }
  }
};

std::vector<Piece> read_images(const Images& images, IdRange ids) {
  struct Members {
    std::vector<int64_t> rows;
    std::vector<at::Tensor> images;
  };
  std::map<std::vector<int64_t>, Members> by_shape;
  for (int64_t id = ids.begin; id < ids.end; ++id) {
    at::Tensor image = images.decode(id);
    Members& members = by_shape[image.sizes().vec()];
    members.rows.push_back(id - ids.begin);
    members.images.push_back(std::move(image));
  }
  std::vector<Piece> pieces;
  for (auto& [shape, members] : by_shape) pieces.push_back({std::move(members.rows), at::stack(members.images)});
  return pieces;
}

// Of the files' bytes in their order: names and folders do not matter. What a file's pixels depend on beyond its bytes
// is mixed in only where they do, so that statistics that were kept before there was a choice are found again.
std::string content_hash_of(const Images& images) {
  std::string hashes;
  for (int64_t id = 0; id < images.source->size(); ++id) {
    const std::string bytes = images.source->bytes(id);
    const uint64_t form =
        tensor::png_is_more_than_samples(bytes) ? 1 : 0;  // other pixels than the first versions made of it
    hashes += hex64(hash64(bytes, data::rules_digest(images.options.rules, form)));
  }
  return sha256(hashes);
}

EvaluationSet of_images(const std::string& name, const Images& images, const at::Tensor& labels) {
  EvaluationSet set;
  set.name = name;
  set.count = images.source->size();
  set.images = true;
  set.sample_shape = images.shape();
  set.labels = labels;
  set.read = [images](IdRange ids) { return read_images(images, ids); };
  set.file_of = [images](int64_t id) { return images.source->name(id); };
  set.content_hash = [images] { return content_hash_of(images); };
  set.pixel_log = images.log;
  if (!images.options.skip_damaged) return set;
  set.is_damaged = [images](int64_t id) { return images.is_damaged(id); };
  set.part = [name, images, labels](const at::Tensor& ids) {
    const Images some{std::make_shared<data::ImagePart>(images.source, ids), images.options, images.log};
    return of_images(name, some, labels.defined() ? labels.index_select(0, ids) : labels);
  };
  return set;
}

EvaluationSet open_folder(const fs::path& folder, const data::DecodeOptions& options) {
  data::FolderSource opened = data::open_image_folder(folder);
  EvaluationSet set =
      of_images(name_of(folder), {std::move(opened.images), options, std::make_shared<data::PixelLog>(options.rules)},
                opened.labels);
  set.class_names = opened.class_names;
  set.left_out = opened.left_out;
  return set;
}

using Rows = std::function<at::Tensor(IdRange)>;  // of samples of one shape

std::string content_hash_of(const Rows& rows, const std::vector<int64_t>& shape, int64_t count) {
  constexpr int64_t piece = 1000;
  std::string hashes = fmt::format("{} of {}:", count, fmt::join(shape, "x"));
  for (int64_t from = 0; from < count; from += piece) {
    const at::Tensor some = rows({from, std::min(from + piece, count)}).contiguous();
    hashes += hex64(hash64(std::span(static_cast<const std::byte*>(some.const_data_ptr()), some.nbytes())));
  }
  return sha256(hashes);
}

EvaluationSet of_rows(std::string name, int64_t count, const std::vector<int64_t>& shape, const at::Tensor& labels,
                      const Rows& rows) {
  EvaluationSet set;
  set.name = std::move(name);
  set.count = count;
  set.images = shape.size() == 3;
  set.sample_shape = shape;
  if (labels.defined()) set.labels = labels.narrow(0, 0, count);
  set.read = [rows](IdRange ids) { return std::vector<Piece>{{all_rows(ids.size()), rows(ids)}}; };
  set.content_hash = [rows, shape, count] { return content_hash_of(rows, shape, count); };
  return set;
}

EvaluationSet open_npz(const fs::path& path, std::string name) {
  const auto file = std::make_shared<data::NpzSetFile>(path);
  EvaluationSet set = of_rows(std::move(name), file->size(), file->shape(), file->labels(),
                              [file](IdRange ids) { return file->rows(ids); });
  set.class_names = file->class_names();
  return set;
}

// An .npz that holds samples, statistics, or both.
EvaluationSet open_npz_file(const std::string& path) {
  const std::vector<std::string> names = tensor::npz_names(path);
  const bool samples = std::ranges::find(names, "arr_0") != names.end();
  const std::string name = fs::path(path).stem().string();
  if (!is_statistics_file(path)) return open_npz(path, name);
  EvaluationSet set;
  if (samples) set = open_npz(path, name);
  set.name = name;
  set.statistics_file = path;
  set.statistics = read_statistics(path);
  return set;
}

}  // namespace

std::vector<int64_t> all_rows(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::string EvaluationSet::sample_name(int64_t id) const {
  return fmt::format("{} {} of {}{}", images ? "image" : "sample", id, name,
                     file_of ? fmt::format(" ({})", file_of(id)) : "");
}

bool lies_class_by_class(const at::Tensor& labels) {
  if (!labels.defined() || labels.numel() < 2) return false;
  const at::Tensor steps = labels.diff();
  return steps.ge(0).all().item<bool>() && steps.gt(0).any().item<bool>();
}

std::optional<data::MatchedClasses> match_labels(const EvaluationSet& a, const EvaluationSet& b) {
  if (!a.labels.defined() || !b.labels.defined()) return std::nullopt;
  return data::match_classes({a.name, a.labels, a.class_names}, {b.name, b.labels, b.class_names});
}

namespace {

// What a data set and any of its samples have in common.
EvaluationSet described(EvaluationSet set, const data::Dataset& data) {
  set.class_names = data.class_names;
  set.unlabelled = data.unlabelled;
  set.left_out = data.left_out;
  set.damaged = data.damaged;
  if (data.lazy) set.pixel_log = data.lazy->pixel_log();
  return set;
}

int64_t at_most(const data::Dataset& data, int64_t count) {
  return count > 0 ? std::min(count, data.size()) : data.size();
}

EvaluationSet set_of_ids(const data::Dataset& data, const at::Tensor& ids) {
  const at::Tensor labels = data.labels.defined() ? data.labels.index_select(0, ids) : at::Tensor();
  EvaluationSet set =
      described(of_rows(data.name, ids.size(0), data.shape(), labels,
                        [data, ids](IdRange range) { return data.rows(ids.narrow(0, range.begin, range.size())); }),
                data);
  if (!data.lazy || !data.lazy->skips_damaged()) return set;
  set.is_damaged = [data, ids](int64_t place) { return data.lazy->is_damaged(ids[place].item<int64_t>()); };
  set.part = [data, ids](const at::Tensor& places) { return set_of_ids(data, ids.index_select(0, places)); };
  return set;
}

}  // namespace

EvaluationSet set_of(const data::Dataset& data, int64_t count) {
  EvaluationSet set = described(of_rows(data.name, at_most(data, count), data.shape(), data.labels,
                                        [data](IdRange ids) { return data.rows(ids.begin, ids.size()); }),
                                data);
  if (!data.lazy || !data.lazy->skips_damaged()) return set;
  set.is_damaged = [data](int64_t id) { return data.lazy->is_damaged(id); };
  set.part = [data](const at::Tensor& ids) { return set_of(data.part(ids, data.name)); };
  return set;
}

at::Tensor ids_for_run(const data::Dataset& data, int64_t count) {
  const int64_t n = at_most(data, count);
  if (!lies_class_by_class(data.labels)) return at::arange(n, at::kLong);
  return data::EpochOrder(hash64("evaluated"), data.size()).ids(0, n);
}

EvaluationSet set_for_run(const data::Dataset& data, int64_t count) {
  if (!lies_class_by_class(data.labels)) return set_of(data, count);
  return set_of_ids(data, ids_for_run(data, count));
}

EvaluationSet open_evaluation_set(const std::string& path, const data::DecodeOptions& options) {
  if (data::is_tar_set(path)) return set_of(data::open_set(path, options));
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path);
  if (fs::is_directory(path)) {
    const fs::path of_a_run = fs::path(path) / "samples.npz";
    return fs::exists(of_a_run) ? open_npz(of_a_run, name_of(path)) : open_folder(path, options);
  }
  if (fs::path(path).extension() == ".npy") return set_of(data::open_set(path, options));
  return open_npz_file(path);
}

}  // namespace ddls::metrics
