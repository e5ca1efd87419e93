#pragma once
// The metrics of one set against a reference, distributed over the ranks. **Collective.**
#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "dist/communicator.hpp"
#include "eval/features.hpp"
#include "eval/moments.hpp"

namespace ddls {

// What is computed of every set: points are their own features; images go through the extractor.
struct MetricContext {
  Communicator& comm;
  const Extractor* extractor = nullptr;  // null for points
  int64_t batch = 250;
  bool gaussians25 = false;  // also Table 1
};

struct SetStatistics {
  GaussianStatistics gaussian;
  nlohmann::ordered_json inception_score;  // absent where there are no logits
};

// Statistics of a set (uint8 images or float points): each rank its blocks, one all-reduce per metric.
SetStatistics statistics_of(const MetricContext& context, const at::Tensor& samples, const std::string& what);

// The "metrics" object of interface.md.
nlohmann::ordered_json metrics_of(const MetricContext& context, const at::Tensor& samples,
                                  const SetStatistics& reference, const std::string& what);

}  // namespace ddls
