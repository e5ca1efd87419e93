#include "data/cifar10.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::data {
namespace {

constexpr int64_t image_bytes = 3 * 32 * 32, record_bytes = 1 + image_bytes, classes = 10;

std::vector<fs::path> batches_in(const fs::path& folder, bool test) {
  if (test) return {folder / "test_batch.bin"};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  if (files.empty())
    fail(Exit::data, "'{}' holds no data_batch_*.bin, the files of the binary version of CIFAR-10", folder.string());
  return files;
}

at::Tensor records_of(const fs::path& file) {
  const std::string bytes = read_file(file);
  const auto size = static_cast<int64_t>(bytes.size());
  if (size == 0 || size % record_bytes != 0)
    fail(Exit::data, "'{}' is truncated or not CIFAR-10: {} bytes are no multiple of {}", file.string(), size,
         record_bytes);
  at::Tensor records = at::empty({size / record_bytes, record_bytes}, at::kByte);
  std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(records.mutable_data_ptr<uint8_t>()));
  const auto highest = records.select(1, 0).max().item<int64_t>();
  if (highest >= classes)
    fail(Exit::data, "'{}' is damaged or not CIFAR-10: it holds a label of {}", file.string(), highest);
  return records;
}

}  // namespace

Cifar10 read_cifar10(const fs::path& path, bool test) {
  std::vector<at::Tensor> records;
  for (const fs::path& file : fs::is_directory(path) ? batches_in(path, test) : std::vector<fs::path>{path})
    records.push_back(records_of(file));
  const at::Tensor all = at::cat(records);
  return {all.narrow(1, 1, image_bytes).contiguous().view({-1, 3, 32, 32}), all.select(1, 0).to(at::kLong)};
}

}  // namespace ddls::data
