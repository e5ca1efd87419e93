#pragma once
// From a set to what metrics need of it: each rank decodes and extracts its own blocks, decoding one block ahead of the
// network in a thread; sums of Fréchet distance and Inception Score are all-reduced once at the end.
#include <optional>
#include <string>

#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "metrics/inception_score.hpp"
#include "metrics/moments.hpp"
#include "metrics/evaluation_set.hpp"
#include "metrics/feature_blocks.hpp"

namespace ddls {

struct ExtractOptions {
  const Extractor* extractor = nullptr;  // null: points are their own features
  int64_t batch = 64;                    // samples per pass through the network
  bool moments = true;
  bool inception_score = false;
  bool inception_subsets = false;  // the score against the number of samples
  bool logits() const { return inception_score || inception_subsets; }
  int64_t keep = 0;  // how many of the first rows are kept as features, over all ranks
};

struct SetFeatures {
  std::string name;
  int64_t count = 0;  // 0: statistics of unknown count
  GaussianStatistics gaussian;
  std::optional<MeanStd> inception_score;
  struct Curve {
    std::vector<int64_t> sizes;
    std::vector<double> scores;
  };
  std::optional<Curve> inception_subsets;
  FeatureBlocks rows;      // the first `keep`
  at::Tensor labels;       // [count] int64; undefined where there are none
  ClassNames class_names;  // as in EvaluationSet
  std::string unlabelled;  // as in EvaluationSet
};

// **Collective.** Throws CollectiveError(data): fewer than 2 samples, features that are not finite, a damaged image (named).
SetFeatures extract_set(Communicator& comm, const EvaluationSet& set, const ExtractOptions& options);

}  // namespace ddls
