#include "evaluate/evaluation_set.hpp"

#include <ATen/ATen.h>

#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/image_folder.hpp"
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
  set.content_hash = [source] {  // of the files' bytes in their order: names and folders do not matter
    std::string hashes;
    for (int64_t id = 0; id < source->size(); ++id) hashes += hex64(hash64(source->bytes(id)));
    return sha256(hashes);
  };
  return set;
}

std::string content_hash_of(const Dataset& data, int64_t count) {
  constexpr int64_t piece = 1000;
  std::string hashes = fmt::format("{} of {}:", count, fmt::join(data.shape(), "x"));
  for (int64_t from = 0; from < count; from += piece) {
    const at::Tensor rows = data.rows(from, std::min(piece, count - from)).contiguous();
    hashes += hex64(hash64(std::span(static_cast<const std::byte*>(rows.const_data_ptr()), rows.nbytes())));
  }
  return sha256(hashes);
}

}  // namespace

std::vector<int64_t> all_rows(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

EvaluationSet set_of(const Dataset& data, int64_t count) {
  EvaluationSet set;
  set.name = data.name;
  set.count = count > 0 ? std::min(count, data.size()) : data.size();
  set.images = data.images();
  set.sample_shape = data.shape();
  if (data.labels.defined()) set.labels = data.labels.narrow(0, 0, set.count);
  set.read = [data](IdRange ids) {
    return std::vector<Piece>{{all_rows(ids.size()), data.rows(ids.begin, ids.size())}};
  };
  set.content_hash = [data, rows = set.count] { return content_hash_of(data, rows); };
  return set;
}

EvaluationSet open_evaluation_set(const std::string& path) {
  if (!fs::exists(path)) fail(Exit::missing, "'{}' does not exist", path);
  if (fs::is_directory(path) && !fs::exists(fs::path(path) / "samples.npz")) return open_folder(path);
  if (!fs::is_directory(path) && is_statistics_file(path)) {
    EvaluationSet set;
    set.name = fs::path(path).stem().string();
    set.statistics_file = path;
    set.statistics = read_statistics(path);
    set.count = 0;
    return set;
  }
  return set_of(open_set(path));
}

}  // namespace ddls
