#pragma once
// A set as evaluation reads it: any range of ids, decoded when it is asked for, never held whole by this.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "data/dataset.hpp"
#include "metrics/moments.hpp"

namespace ddls::metrics {

// Rows of one block that have one shape; `rows` are their places in the block.
struct Piece {
  std::vector<int64_t> rows;
  at::Tensor samples;  // uint8 [n, C, H, W] or float32 [n, d]
};

std::vector<int64_t> all_rows(int64_t count);  // 0, 1, ...: of a block that is one piece

struct EvaluationSet {
  std::string name;
  int64_t count = 0;  // 0: statistics only
  bool images = false;
  bool training = false;                 // the training set itself, or a part of it
  std::vector<int64_t> sample_shape;     // of the first sample
  at::Tensor labels;                     // [count] int64; undefined where there are none
  std::vector<std::string> class_names;  // as in Dataset
  std::string unlabelled;
  std::optional<data::LeftOut> left_out;  // of a folder or archive
  // Thread safe. Throws Error(data) naming the damaged file.
  std::function<std::vector<Piece>(IdRange)> read;
  // Made on a GPU: threads of their own would share its stream, and what libraries keep for each thread would be made
  // anew for every block.
  bool on_calling_thread = false;
  std::function<std::string(int64_t id)> file_of = {};  // of samples that are files each; empty: of none
  std::string sample_name(int64_t id) const;            // for messages: "image 17 of cats (b/17.png)"
  std::function<std::string()> content_hash;            // of what is evaluated; reads everything
  // Given mean and covariance, of a file that has them; with samples beside them (count > 0) or alone.
  std::optional<GaussianStatistics> statistics;
  std::string statistics_file;
  bool statistics_only() const { return statistics && count == 0; }

  int64_t damaged = 0;                        // images left out (data.damaged: skip)
  std::shared_ptr<data::PixelLog> pixel_log;  // of images that are decoded; else null
  // Where damaged images are to be left out, and come to light only when they are decoded: decodes image `id`. Empty
  // elsewhere. set_notes.hpp calls them.
  std::function<bool(int64_t id)> is_damaged;
  std::function<EvaluationSet(const at::Tensor& ids)> part;  // the images `ids` alone
};

// A set in which classes follow one another, as a folder with a folder per class has them: a part of it lacks classes.
bool lies_class_by_class(const at::Tensor& labels);
inline bool lies_class_by_class(const EvaluationSet& set) { return lies_class_by_class(set.labels); }

// Matches the classes of two sets where both have labels. Throws Error(data): no class in common (class_names.hpp).
std::optional<data::MatchedClasses> match_labels(const EvaluationSet& a, const EvaluationSet& b);

// The first `count` samples (0: all) of a data set.
EvaluationSet set_of(const data::Dataset& data, int64_t count = 0);

// Which `count` samples (0, or more than there are: all) a run takes of its own data, [n] int64: the first, or, where
// the data lie class by class, the first of one random order that is the same everywhere, so that any first part of
// them has all classes.
at::Tensor ids_for_run(const data::Dataset& data, int64_t count);
EvaluationSet set_for_run(const data::Dataset& data, int64_t count = 0);

// A SET of docs/formats.md. Images of a folder may differ in size and channels. `options`: as_stored of dataset.hpp.
// Throws Error: missing, data.
EvaluationSet open_evaluation_set(const std::string& path, const data::DecodeOptions& options = {});

}  // namespace ddls::metrics
