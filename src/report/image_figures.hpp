#pragma once
// Figures of images. All tensors are uint8; small images are magnified by a whole number.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "report/run_data.hpp"

namespace ddls::report {

// The first rows x columns of [N, C, H, W] as one picture [C, ..].
at::Tensor grid_figure(const at::Tensor& images, int64_t rows = 10, int64_t columns = 10);

// Fig. 3 of the paper: one row per chain, about ten columns from the first record to the last, steps written above.
at::Tensor strip_figure(const Trajectories& trajectories, int64_t chains_at_most = 12);

// Fig. 4 of the paper: one row per sample; the sample, its neighbours by pixels, its neighbours by features.
at::Tensor neighbours_figure(const NearestImages& neighbours);

// The same chains under several methods: every band shows the chains i, i + 1, .. one below the other, a line per
// method.
struct PairRow {
  std::string title;
  at::Tensor images;  // [N, C, H, W]
};
at::Tensor pairs_figure(const std::vector<PairRow>& rows, int64_t columns = 14, int64_t bands = 3);

}  // namespace ddls::report
