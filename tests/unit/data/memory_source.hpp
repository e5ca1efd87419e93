#pragma once
// Encoded images in memory that count how often they are read.
#include <ATen/ATen.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "data/image_source.hpp"
#include "tensor/image_io.hpp"

namespace ddls::test {

class MemorySource : public data::ImageSource {
 public:
  explicit MemorySource(std::vector<std::string> files) : files_(std::move(files)) {}
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::string bytes(int64_t id) const override {
    ++reads;
    return files_[static_cast<size_t>(id)];
  }
  std::string name(int64_t id) const override { return fmt::format("image {}", id); }
  uint64_t digest() const override { return hash64("memory"); }

  mutable std::atomic<int64_t> reads = 0;

 private:
  std::vector<std::string> files_;
};

// Image i: 2 x 2 pixels, all of shade i.
inline std::vector<std::string> shaded_images(int64_t count) {
  std::vector<std::string> files;
  for (int64_t i = 0; i < count; ++i) files.push_back(tensor::encode_png(at::full({1, 2, 2}, i, at::kByte)));
  return files;
}

}  // namespace ddls::test
