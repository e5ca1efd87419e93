#pragma once
// Who makes images as large as a network takes them, and by which filter (evaluate.resize): the part of a protocol that
// most often makes two values of one metric differ.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ddls::metrics {

struct Resize {
  std::string filter = "none";  // a word of evaluate.resize; none: the network has the images as they are
  int64_t side = 0;             // of the square that it gets; 0: as its file says
  bool rounded = true;          // to bytes, as PIL; else float32 without rounding, as clean-fid
  bool operator==(const Resize&) const = default;

  bool any() const { return filter != "none"; }
  // uint8 [n, C, H, W] -> [n, C, side, side], uint8 or float32; on the CPU. With none, and what is no uint8 any more:
  // as it is.
  at::Tensor applied(const at::Tensor& images) const;
  // For records: "by the extractor", "bicubic to 299 x 299", "bicubic to 299 x 299, not rounded".
  std::string text() const;
};

Resize resize_of(const config::EvaluateConfig& config);

}  // namespace ddls::metrics
