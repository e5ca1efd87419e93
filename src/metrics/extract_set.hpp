#pragma once
// From a set to what metrics need of it: each rank decodes (and resizes) its own blocks, one ahead of the network in a
// thread; sums that metrics make of features or class probabilities are all-reduced once at the end.
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dist/communicator.hpp"
#include "metrics/features.hpp"
#include "metrics/moments.hpp"
#include "metrics/evaluation_set.hpp"
#include "metrics/feature_blocks.hpp"

namespace ddls::metrics {

// What a metric adds up of blocks of features as they pass.
class StreamedSums {
 public:
  virtual ~StreamedSums() = default;
  virtual void add(const Features& block, IdRange ids) = 0;  // rows of these ids
  virtual at::Tensor& sums() = 0;                            // what the ranks' are added to at the end; float64
};

struct ExtractOptions {
  const Extractor* extractor = nullptr;  // null: points are their own features
  int64_t batch = 64;                    // samples per pass through the network
  bool moments = true;
  bool logits = false;  // needs an extractor with classes
  std::vector<StreamedSums*> streamed = {};
  int64_t keep = 0;  // how many of the first rows are kept as features, over all ranks
};

struct SetFeatures {
  std::string name;
  int64_t count = 0;  // 0: statistics of unknown count
  GaussianStatistics gaussian;
  FeatureBlocks rows;            // the first `keep`
  bool finite = true;            // whether all of these are
  at::Tensor labels;             // [count] int64; undefined where there are none
  data::ClassNames class_names;  // as in EvaluationSet
  std::string unlabelled;        // as in EvaluationSet
  std::string digest;            // of the samples as they were decoded, in their order; empty: they were not read
  // By number of rows: distances to the nearest others (neighbour_distances.hpp), shared by metrics. The same on all
  // ranks.
  std::shared_ptr<std::map<int64_t, at::Tensor>> nearest = std::make_shared<std::map<int64_t, at::Tensor>>();
};

// **Collective.** Throws CollectiveError(data): fewer than 2 samples, features that are not finite, a damaged image
// (named).
SetFeatures extract_set(dist::Communicator& comm, const EvaluationSet& set, const ExtractOptions& options);

// The same for several networks, one after another in the result: each image is read once. All of one `batch`.
std::vector<SetFeatures> extract_set_for_each(dist::Communicator& comm, const EvaluationSet& set,
                                              std::span<const ExtractOptions> options);

}  // namespace ddls::metrics
