#include "ddls/sample_rows.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "ddls/sample_store.hpp"

namespace ddls::sampling {
namespace {

constexpr std::array stored_types{at::kByte, at::kInt, at::kLong, at::kFloat, at::kDouble};

struct Rows {
  std::string file, array;
  at::Tensor rows;
};

at::Tensor images_last(const at::Tensor& t) { return t.dim() == 4 ? t.permute({0, 2, 3, 1}).contiguous() : t; }

// In the order of the files and of their arrays.
std::vector<Rows> rows_of(const BlockResult& result) {
  std::vector<Rows> all{{"samples.npz", "arr_0", images_last(result.samples)}};
  if (result.labels.defined()) all.push_back({"samples.npz", "arr_1", result.labels});
  all.push_back({"latents.npz", "arr_0", result.latents});
  for (size_t s = 0; s < result.snapshot_steps.size(); ++s)
    all.push_back({fmt::format("snapshots/step-{:06}.npz", result.snapshot_steps[s]), "arr_0",
                   images_last(result.snapshots.select(0, static_cast<int64_t>(s)))});
  return all;
}

tensor::NpzWriter::Entry whole(const Rows& rows, int64_t count) {
  std::vector<int64_t> sizes = rows.rows.sizes().vec();
  sizes.front() = count;
  return {rows.array, rows.rows.scalar_type(), sizes};
}

}  // namespace

std::string to_text(const RowFiles& files) {
  Json all = Json::array();
  for (const RowFile& file : files) {
    Json arrays = Json::array();
    for (size_t i = 0; i < file.arrays.size(); ++i)
      arrays.push_back({file.arrays[i].name, c10::toString(file.arrays[i].dtype), file.arrays[i].sizes, file.crcs[i]});
    all.push_back({file.name, arrays});
  }
  return all.dump();
}

RowFiles row_files_from(const std::string& text, const std::string& where) {
  try {
    RowFiles files;
    for (const Json& one : Json::parse(text)) {
      RowFile file{one.at(0).get<std::string>(), {}, {}};
      for (const Json& array : one.at(1)) {
        const auto type = array.at(1).get<std::string>();
        const auto* known = std::find_if(stored_types.begin(), stored_types.end(),
                                         [&](at::ScalarType t) { return type == c10::toString(t); });
        if (known == stored_types.end()) fail(Exit::data, "{}: rows of type {}", where, type);
        file.arrays.push_back({array.at(0).get<std::string>(), *known, array.at(2).get<std::vector<int64_t>>()});
        file.crcs.push_back(array.at(3).get<uint32_t>());
      }
      files.push_back(std::move(file));
    }
    return files;
  } catch (const Json::exception& error) {
    fail(Exit::data, "{}: {}", where, error.what());
  }
}

RowFiles write_rows(const fs::path& folder, const Block& block, const BlockResult& result, int64_t count) {
  RowFiles files;
  const std::vector<Rows> all = rows_of(result);
  for (size_t i = 0; i < all.size();) {
    RowFile file{all[i].file, {}, {}};
    size_t end = i;
    for (; end < all.size() && all[end].file == file.name; ++end) file.arrays.push_back(whole(all[end], count));
    make_folder((folder / file.name).parent_path());
    tensor::NpzRows rows(folder / file.name, file.arrays);
    for (size_t a = 0; i < end; ++i, ++a) file.crcs.push_back(rows.write(a, block.ids.begin, all[i].rows));
    rows.sync();
    files.push_back(std::move(file));
  }
  return files;
}

void remove_unfit_files(const fs::path& folder, const RowFiles& files) {
  for (const RowFile& file : files) {
    if (!fs::exists(folder / file.name)) continue;
    try {
      const tensor::NpzRows opened(folder / file.name, file.arrays);
    } catch (const Error& error) {
      log::warning("{}; its blocks are computed again", error.what());
      fs::remove_all(folder / file.name);
    }
  }
}

bool rows_verify(const fs::path& folder, const Block& block, const RowFiles& files) {
  for (const RowFile& file : files) {
    if (!fs::exists(folder / file.name)) return false;
    const tensor::NpzRows rows(folder / file.name, file.arrays);
    for (size_t a = 0; a < file.arrays.size(); ++a)
      if (rows.checksum(a, block.ids.begin, block.ids.size()) != file.crcs[a]) return false;
  }
  return true;
}

std::vector<std::pair<std::string, std::string>> seal_rows(const fs::path& folder, const BlockPlan& plan,
                                                           const std::vector<RowFiles>& blocks) {
  std::vector<std::pair<std::string, std::string>> hashes;
  for (size_t f = 0; f < blocks.front().size(); ++f) {
    const RowFile& first = blocks.front()[f];
    tensor::NpzRows rows(folder / first.name, first.arrays);
    std::vector<uint32_t> crcs(first.arrays.size(), 0);
    for (size_t b = 0; b < blocks.size(); ++b) {
      const auto count = static_cast<uint64_t>(plan.block(static_cast<int64_t>(b)).ids.size());
      for (size_t a = 0; a < crcs.size(); ++a)
        crcs[a] = tensor::joined_crc(crcs[a], blocks[b].at(f).crcs.at(a), count * rows.row_bytes(a));
    }
    hashes.emplace_back(first.name, rows.seal(crcs));
  }
  return hashes;
}

}  // namespace ddls::sampling
