#include "app/evaluation_set.hpp"

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

std::vector<int64_t> all_rows(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::vector<Piece> read_files(const std::vector<ImageFile>& files, IdRange ids) {
  std::map<std::vector<int64_t>, std::pair<std::vector<int64_t>, std::vector<at::Tensor>>> by_shape;
  for (int64_t id = ids.begin; id < ids.end; ++id) {
    at::Tensor image = read_image(files[static_cast<size_t>(id)].path);
    auto& [rows, images] = by_shape[image.sizes().vec()];
    rows.push_back(id - ids.begin);
    images.push_back(std::move(image));
  }
  std::vector<Piece> pieces;
  for (auto& [shape, members] : by_shape) pieces.push_back({std::move(members.first), at::stack(members.second)});
  return pieces;
}

EvaluationSet open_folder(const fs::path& folder) {
  const auto files = std::make_shared<const std::vector<ImageFile>>(list_image_files(folder));
  EvaluationSet set;
  set.name = name_of(folder);
  set.count = static_cast<int64_t>(files->size());
  set.images = true;
  set.sample_shape = read_image(files->front().path).sizes().vec();
  if (files->front().label >= 0) {
    set.labels = at::empty({set.count}, at::kLong);
    for (int64_t i = 0; i < set.count; ++i)
      set.labels.mutable_data_ptr<int64_t>()[i] = (*files)[static_cast<size_t>(i)].label;
  }
  set.read = [files](IdRange ids) { return read_files(*files, ids); };
  set.content_hash = [files] {  // of the files' bytes in their order: names and folders do not matter
    std::string hashes;
    for (const ImageFile& file : *files) hashes += hex64(hash64(read_file(file.path)));
    return sha256(hashes);
  };
  return set;
}

}  // namespace

EvaluationSet set_of(const Dataset& data, int64_t count) {
  EvaluationSet set;
  set.name = data.name;
  set.count = count > 0 ? std::min(count, data.size()) : data.size();
  set.images = data.images();
  set.sample_shape = data.shape();
  if (data.labels.defined()) set.labels = data.labels.narrow(0, 0, set.count);
  const auto held = std::make_shared<const Dataset>(data);
  set.read = [held](IdRange ids) {
    return std::vector<Piece>{{all_rows(ids.size()), held->rows(ids.begin, ids.size())}};
  };
  set.content_hash = [held, count = set.count] {
    if (held->lazy) return sha256(fmt::format("{} of {}", count, hex64(held->digest())));  // names and sizes
    const at::Tensor dense = held->samples.narrow(0, 0, count).contiguous();
    const std::string_view bytes(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes());
    return sha256(fmt::format("{} {}", fmt::join(dense.sizes(), "x"), sha256(bytes)));
  };
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
