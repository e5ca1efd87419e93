#pragma once
// A bound on what a header may claim before memory is taken for it.
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace ddls::tensor {

inline constexpr uint64_t max_pixels = uint64_t{1} << 28;

inline void check_image_size(uint64_t width, uint64_t height, const std::string& name) {
  if (width == 0 || height == 0 || width > max_pixels / height) {
    fail(Exit::data, "'{}': an image of {} x {} pixels is not supported", name, width, height);
  }
}

}  // namespace ddls::tensor
