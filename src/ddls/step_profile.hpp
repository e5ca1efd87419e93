#pragma once
// Where the time of Langevin steps goes: every operation of the inference graphs, forward and vjp apart, the update
// with its noise, and the rest. A step is an update, then one evaluation.
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/timeline.hpp"
#include "inference/observer.hpp"

namespace ddls::sampling {

// Of one step, except times.
struct StepRow {
  std::string operation, pass;  // "generator.2.main.0", "forward"; unique together
  std::string kind, algorithm;  // inference/work.hpp
  std::string input;            // shape of a sample of the first call: "256x8x8"
  double seconds = 0;           // median over the steps, without the operations inside
  double share = 0;             // of the sum of these medians
  double calls = 0;
  double plain_flops = 0, flops = 0;  // as published; executed
  // Estimate: input, result, what is recalled from the forward, and the weights once per call. Temporaries and what
  // caches save are left out. 0 where nothing is known.
  double bytes = 0;
};

class StepProfile : public inference::OperationObserver {
 public:
  explicit StepProfile(std::function<double()> clock_s);

  void watches(const std::string& network, const inference::Operations& operations) override;
  void begins(const inference::Operation& operation, inference::Pass pass, const at::Tensor& input) override;
  void ends(const at::Tensor& result) override;
  void recalls(const at::Tensor& kept) override;
  bool watches_operations() const { return !first_row_.empty(); }

  // For evaluations that are no inference graph: parts of them, by their operation, pass, kind and algorithm.
  size_t add_part(StepRow part);
  void begin_part(size_t part, double flops);
  void end_part();

  // Between begin_step and end_step everything is recorded, elsewhere nothing.
  void begin_step();
  void begin_evaluation();  // ends the update
  void end_step();

  int64_t steps() const { return steps_; }
  double seconds_per_step() const;  // median
  // After at least one step. The first is the rest, the second the update; then those of the graphs, in their order.
  std::vector<StepRow> rows() const;
  const Timeline& timeline() const { return timeline_; }  // activities are places in rows(), 0 being the whole step

 private:
  Timeline timeline_;
  std::vector<StepRow> rows_;                                          // sums over the steps
  std::unordered_map<const inference::Operation*, size_t> first_row_;  // of the forward; the vjp's is the next one
  int64_t steps_ = 0;
  bool recording_ = false, updating_ = false;
};

}  // namespace ddls::sampling
