#include "evaluate/evaluation_set.hpp"

#include <ATen/ATen.h>

#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/image_folder.hpp"
#include "data/npz_set.hpp"
#include "data/tar_set.hpp"
#include "eval/statistics_file.hpp"
#include "tensor/image_io.hpp"

namespace ddls {
namespace {

std::string name_of(const fs::path& path) { return (path / "").lexically_normal().parent_path().filename().string(); }

std::vector<Piece> read_images(const ImageSource& source, IdRange ids) {
  struct Members {
    std::vector<int64_t> rows;
    std::vector<at::Tensor> images;
  };
  std::map<std::vector<int64_t>, Members> by_shape;
  for (int64_t id = ids.begin; id < ids.end; ++id) {
    at::Tensor image = decode_image(source.bytes(id), 0, source.name(id));
    Members& members = by_shape[image.sizes().vec()];
    members.rows.push_back(id - ids.begin);
    members.images.push_back(std::move(image));
  }
  std::vector<Piece> pieces;
  for (auto& [shape, members] : by_shape) pieces.push_back({std::move(members.rows), at::stack(members.images)});
  return pieces;
}

EvaluationSet open_folder(const fs::path& folder) {
  const FolderSource opened = open_image_folder(folder);
  const std::shared_ptr<const ImageSource> source = opened.images;
  EvaluationSet set;
  set.name = name_of(folder);
  set.count = source->size();
  set.images = true;
  set.sample_shape = decode_image(source->bytes(0), 0, source->name(0)).sizes().vec();
  set.labels = opened.labels;
  set.read = [source](IdRange ids) { return read_images(*source, ids); };
  set.file_of = [source](int64_t id) { return source->name(id); };
  set.content_hash = [source] {  // of the files' bytes in their order: names and folders do not matter
    std::string hashes;
    for (int64_t id = 0; id < source->size(); ++id) hashes += hex64(hash64(source->bytes(id)));
    return sha256(hashes);
  };
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
  const auto file = std::make_shared<NpzSetFile>(path);
  return of_rows(std::move(name), file->size(), file->shape(), file->labels(),
                 [file](IdRange ids) { return file->rows(ids); });
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

EvaluationSet set_of(const Dataset& data, int64_t count) {
  return of_rows(data.name, count > 0 ? std::min(count, data.size()) : data.size(), data.shape(), data.labels,
                 [data](IdRange ids) { return data.rows(ids.begin, ids.size()); });
}

EvaluationSet open_evaluation_set(const std::string& path) {
  if (is_tar_set(path)) return set_of(open_set(path));
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path);
  if (fs::is_directory(path)) {
    const fs::path of_a_run = fs::path(path) / "samples.npz";
    return fs::exists(of_a_run) ? open_npz(of_a_run, name_of(path)) : open_folder(path);
  }
  if (!is_statistics_file(path)) return open_npz(path, fs::path(path).stem().string());
  EvaluationSet set;
  set.name = fs::path(path).stem().string();
  set.statistics_file = path;
  set.statistics = read_statistics(path);
  return set;
}

}  // namespace ddls
