#pragma once
// Sampled blocks on disk. A finished block's samples, latents and snapshots stand at their rows of the final files,
// which lie beside the blocks until they are whole; its file, complete or absent, holds their checksums and the small
// rest. So sampling goes on where it was cut, on any number of ranks, and samples are written once and read once. When
// all blocks are there one process completes the samples folder of docs/formats.md, section 6, and removes the blocks.
// The folder lies on a file system that all ranks see.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/blocks.hpp"
#include "ddls/method.hpp"
#include "tensor/npz.hpp"

namespace ddls::sampling {

// The columns of the curves: per recorded step, summed over the chains of a block (float64) or of all blocks. Values
// now; then jump2 and the method's rates, means over the steps since the last record; then how many chains started
// anew.
std::vector<std::string> curve_names(const Method& method);

// The scalars of a trace: energy, log_ratio, |z|^2, projections of z on fixed random directions, and as many principal
// components of the discriminator's features as there are (feature_components.hpp).
inline constexpr int64_t trace_projections = 4, most_components = 4;
std::vector<std::string> trace_names(int64_t components);
inline constexpr int64_t fewest_trace_columns = 3 + trace_projections;

// What one block leaves. Only ids that count (no padding). Samples are uint8 images or float32 points.
struct BlockResult {
  at::Tensor latents;                   // [n, k] float32
  at::Tensor samples;                   // [n, ...]
  at::Tensor labels;                    // [n] int64; undefined where the networks are not conditional
  at::Tensor curves;                    // [records, curve_names] float64 sums over the n chains
  at::Tensor snapshots;                 // [snapshots, n, ...]; empty where none are asked for
  std::vector<int64_t> snapshot_steps;  // their steps
  at::Tensor trajectory_latents;        // [records, t, k]: the first chains of the run; t = 0 in most blocks
  at::Tensor trajectory_samples;        // [records, t, ...]
  at::Tensor traces;  // [records, d, trace_names] float32: the first chains of the run, for the diagnostics
};

// Wall time of the job, over all jobs that worked on these samples.
struct SamplingTime {
  double seconds = 0;         // in all
  double warmup_seconds = 0;  // of them before the chains: bounds, adapted step sizes
};

// What decides the bytes of a block: a folder made under another key is started anew.
struct SampleKey {
  std::string text;  // weights' hash, seed, method options, counts, as one line of JSON
};

class SampleStore {
 public:
  SampleStore(std::filesystem::path folder, SampleKey key, BlockPlan plan);

  // Complete under this key, and its files verify. One process; puts files in place that a kill left half moved.
  bool finished() const;
  // Removes what another key left. One process, before any other uses the folder.
  void prepare();
  bool has(const Block& block) const;                         // present under this key, and it and its rows verify
  void write(const Block& block, const BlockResult& result);  // and removes its saved state
  // The state of a block that is not finished, to go on from after a kill; by any rank.
  void write_state(const Block& block, const tensor::NamedTensors& state);
  std::optional<tensor::NamedTensors> read_state(
      const Block& block) const;  // nothing: none of this key, or damaged (logged)
  // One process, when every block is there. `record_steps` name the rows of curves. `time` and `class_names` (of class
  // i; empty: its number) are for the manifest alone. Completes samples.npz, latents.npz, trajectories.npz,
  // snapshots/step-NNNNNN.npz, chains.jsonl, manifest.json. Error(data) where rows are not those that a block wrote:
  // its block is removed, and the next start makes it again.
  void assemble(const Method& method, const std::vector<int64_t>& record_steps, const SamplingTime& time,
                const std::vector<std::string>& class_names = {});

  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Blocks;  // what all of them hold, joined
  Blocks read_blocks(int64_t records, int64_t curves) const;
  void seal(Blocks& blocks) const;
  std::filesystem::path block_path(int64_t index) const;
  std::filesystem::path state_path(int64_t index) const;
  std::filesystem::path rows_folder() const;  // the final files of this key, while they fill
  void move_into_place() const;
  std::filesystem::path folder_;
  SampleKey key_;
  BlockPlan plan_;
};

}  // namespace ddls::sampling
