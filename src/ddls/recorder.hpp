#pragma once
// What a block leaves besides its last state: curves, snapshots, trajectories, and traces for the diagnostics. It can
// be saved between two steps and taken up again.
#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ddls/feature_components.hpp"
#include "config/config.hpp"
#include "ddls/method.hpp"
#include "ddls/sample_store.hpp"

namespace ddls::sampling {

// Which steps are recorded (curves, trajectories, traces) and stored whole (snapshots). Step 0 is the start, step N the
// end.
struct RecordPlan {
  std::vector<int64_t> records, snapshots;
  int64_t trajectories = 0;  // chains 0 .. t-1 keep all their records
  int64_t diagnosed = 0;     // chains 0 .. d-1 keep the scalars of trace_names
  // Of the target, for these scalars: the same in all blocks of a run. Nothing: they are left out.
  std::optional<FeatureComponents> components = {};
};
RecordPlan plan_records(const config::SampleConfig& config, int64_t steps);

// As stored: images quantised once, points as they are. Dense, on the same device.
at::Tensor as_stored(const at::Tensor& samples);

class Recorder {
 public:
  // Holds references: all four outlive it.
  Recorder(const Method& method, const Target& target, const Block& block, const RecordPlan& plan);

  bool looks_at(int64_t step) const;  // whether this step goes into a record or a snapshot
  void observe_start(const Chains& chains);
  // After a step (1 ..): `before` is z before it, `restarted` how many of the chains that count started anew in it.
  void observe(const Chains& chains, int64_t step, const at::Tensor& before, int64_t restarted);
  // Its latents, samples and labels are still on the target's device.
  BlockResult result(const Chains& chains) const;

  tensor::NamedTensors save() const;
  void load(const tensor::NamedTensors& saved);

 private:
  void record(const Chains& chains, int64_t step);
  at::Tensor column_sums(const Chains& chains) const;
  at::Tensor scalars_of(const Chains& chains, const at::Tensor& samples) const;  // [traced, trace_names]

  const Method& method_;
  const Target& target_;
  const RecordPlan& plan_;
  int64_t count_, kept_, traced_;  // chains of the block that count, keep their trajectory, keep traces
  at::Tensor projections_;         // [k, projections], columns of unit length
  // Sums over the chains that count and the steps since the last record: jump2, then the method's rates. float64. Of
  // Method::last_rates the last step's alone.
  at::Tensor since_;
  at::Tensor summed_;  // [1 + rates] 1 where since_ sums over steps, else 0
  int64_t steps_since_ = 0, restarted_since_ = 0;
  std::vector<at::Tensor> curves_, snapshots_, path_latents_, path_samples_, traces_;
};

}  // namespace ddls::sampling
