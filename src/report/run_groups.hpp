#pragma once
// Runs of one configuration that differ in the seed: mean, spread, and paired tests.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/registry.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

// Every option of a configuration's text (YAML) by its path: "train.steps" -> "100".
std::map<std::string, std::string> config_leaves(const std::string& yaml);

// Runs whose configurations are the same but for the seed, names and folders.
struct RunGroup {
  std::string name;                  // of the configuration; where groups share it, with what differs
  std::vector<const RunData*> runs;  // in the order given
  std::vector<std::string> latents;  // of each run, what its draws depend on: equal texts, the same latents
};
std::vector<RunGroup> groups_of(const std::vector<const RunData*>& runs);

struct MeanOfRuns {
  int64_t runs = 0;
  double mean = 0;
  std::optional<double> sd;  // divisor runs - 1; of two runs or more
};

// Of values that belong together two by two: mean of b - a, and Student's two-sided p of no difference; no p of fewer
// than two pairs, or where all differences are the same.
struct PairedTest {
  int64_t pairs = 0;
  double difference = 0;
  std::optional<double> p;
};
PairedTest paired_test(const std::vector<double>& a, const std::vector<double>& b);

// P(|T| >= |t|) of Student's t with `degrees` >= 1 degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4).
double student_p(double t, int64_t degrees);

// A metric of one method in one group.
struct GroupValue {
  size_t group = 0;
  std::string method;
  const metrics::MetricColumn* metric = nullptr;
  MeanOfRuns value;                     // in the metric's unit
  std::optional<PairedTest> generator;  // against the method `generator` of the same runs
  std::optional<PairedTest> first;      // against the first group: by runs of the same seed and latents
};

// Metrics in the order of the registry, then groups, then methods. What no run of a group has is left out.
std::vector<GroupValue> group_values(const std::vector<RunGroup>& groups);

}  // namespace ddls::report
