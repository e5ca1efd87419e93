#pragma once
// What metrics there are. A metric is one file in entries/ that ends in its entry (entry.hpp), and one line in
// registry.cpp; everybody else asks here: the configuration for its word and its section, evaluation for what it needs
// and how it is computed, the report for titles and how values are written, the tests for the rows of docs/formats.md.
#include <any>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "config/config.hpp"

namespace ddls::metrics {

struct EvaluationSet;
struct MetricContext;
struct MetricInputs;
struct Reference;
class PairSums;
class StreamedSums;

enum class Better { higher, lower, like_real };

// What a figure of the metric compares it with: a value of the same object, or one for all.
struct MetricLevel {
  std::string title, path = {};  // the path of its key; empty: `value`
  double value = 0;
};

// A value as a reader meets it: a column of the tables of page and terminal, lines of `compare`, curves.
struct MetricColumn {
  std::string title, unit = {};
  Better better = Better::higher;
  double factor = 1;             // report.json's value times this is what is written
  int decimals = 3;              // 0: a whole number; negative: so many significant digits
  bool main = false;             // also in the headline, and in the first table of the terminal
  std::string spread_path = {};  // of the value after "±"; empty where there is none
  // Its name in metrics.jsonl; empty: it has no curves. A metric with such a column is cheap enough to be taken of
  // every stored set of chains, and while the GAN trains, if it keeps no features.
  std::string curve = {};
  std::optional<MetricLevel> level = {};
  std::string path = {};          // of its key; columns_of fills it in
  bool looks_for_copies = false;  // its metric needs the training set; columns_of fills it in
};

// A key of report.json: its row in docs/formats.md, and its column where a reader meets it.
struct MetricKey {
  std::string path;  // within "metrics" (or "protocol"): "kid.unbiased"
  std::string meaning = {}, unit = {};
  std::optional<MetricColumn> column = {};
  bool optional = false;  // of a key within an object: it may be absent
};

constexpr int64_t all_rows_needed = std::numeric_limits<int64_t>::max();

// What a metric is computed from. Where a set does not have it, the metric is null with the reason.
struct MetricNeeds {
  bool moments = false;        // mean and covariance of either set
  bool probabilities = false;  // the extractor's classes; of points, which have none, the metric is left out
  bool labels = false;         // of both sets
  bool gaussians25 = false;    // points of data.kind gaussians25; elsewhere the metric is left out
  // Features of the first so many samples, kept in memory over all ranks, of the set and of the reference, and of the
  // training set, which is extracted for this alone. What needs the last two asks for reals that training has not seen.
  int64_t rows = 0, reference_rows = 0, training_rows = 0;
  int64_t unseen_rows = 0;  // of the reference, unless it is the training set: then the metric does without
};

struct Metric {
  std::string name;                 // in evaluate.metrics, of its section
  std::string summary;              // of the help and of its section
  config::Options defaults;         // evaluate.NAME
  std::vector<std::string> brings;  // metrics that are computed with it, asked for or not
  bool unasked = false;             // computed wherever what it needs is there; no word of evaluate.metrics
  std::vector<MetricKey> keys, protocol_keys;

  std::function<MetricNeeds(const config::Options&)> needs;
  // Warnings about a set before work begins, by rank 0 alone. May be empty.
  std::function<void(const config::Options&, const MetricContext&, const EvaluationSet&, bool is_reference)> look;
  // What all sets that are compared with the reference share. **Collective.** May be empty.
  std::function<std::any(const config::Options&, const MetricContext&, const Reference&)> prepare;
  // Sums that are made of each block of features when it passes; null where the set is too small. May be empty.
  std::function<std::shared_ptr<StreamedSums>(const config::Options&, const MetricContext&, const EvaluationSet&)>
      stream;
  // Sums that are made of each pair of blocks of the set and the reference when it passes (pair_products.hpp); null
  // where there are none. **Collective.** May be empty.
  std::function<std::shared_ptr<PairSums>(const config::Options&, const MetricInputs&)> pairs;
  // An object of its keys. **Collective.**
  std::function<Json(const config::Options&, const MetricInputs&)> compute;
  // An object of its protocol's keys, of a set and a reference of these counts. May be empty.
  std::function<Json(const config::Options&, const Json& metrics, int64_t count, int64_t reference_count)> protocol;

  std::vector<std::string> top_keys() const;  // its keys that are not within others
};

// In the order of word lists, sections, report.json and tables.
std::span<const Metric> known_metrics();

// Null where there is none of that name.
const Metric* find_metric(const std::string& name, std::span<const Metric> all = known_metrics());

// What readers meet, in order.
std::vector<MetricColumn> columns_of(std::span<const Metric> all = known_metrics());

// The names of the metrics that have curves, of those among them that are taken while the GAN trains, and the finite
// values of these curves in a "metrics" object.
std::vector<std::string> metrics_with_curves(std::span<const Metric> all = known_metrics());
std::vector<std::string> metrics_while_training(std::span<const Metric> all = known_metrics());
std::vector<std::pair<std::string, double>> curve_values(const Json& metrics,
                                                         std::span<const Metric> all = known_metrics());

// Gives the configuration the metrics that it may name, with their defaults.
void add_metrics(config::EvaluateConfig& config, std::span<const Metric> all = known_metrics());

// Adds to an object of metrics that these have no value, and why.
void refuse(Json& metrics, const std::vector<std::string>& names, const std::string& why);

}  // namespace ddls::metrics
