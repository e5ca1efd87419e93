#pragma once
// A run directory (docs/formats.md, section 2) as plain structs: all that the report draws from. Only report.json
// has to be there. What else is absent stays empty, and the page leaves its section out.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace ddls::report {

// What the figures show of a set at most; the rest is not read.
inline constexpr int64_t kept_images = 400, kept_points = 20'000;

// One number over steps. Only finite values; x is increasing in the order of the file.
struct Curve {
  std::string name;  // the field of the records
  std::vector<double> x, y;
};

struct Trajectories {
  at::Tensor latents;          // [records, chains, k] float32
  at::Tensor samples;          // [records, chains, 2] float32 or [records, chains, C, H, W] uint8
  std::vector<int64_t> steps;  // of each record
};

// Samples with the training images nearest to them, the nearest first. Images are uint8.
struct NearestImages {
  at::Tensor samples;      // [n, C, H, W]
  at::Tensor by_pixels;    // [n, k, C, H, W]
  at::Tensor by_features;  // the same
};

struct StepSamples {
  int64_t step = 0;
  at::Tensor samples;
};

struct SnapshotFile {
  int64_t step = 0;
  std::filesystem::path file;
};

struct MethodRun {
  std::string name;
  Json summary;  // methods.NAME of report.json
  std::filesystem::path folder;
  int64_t sample_count = 0;  // in samples.npz; `samples` may hold only the first of them
  at::Tensor samples;        // [n, 2] float32 or [n, C, H, W] uint8; undefined where absent
  std::optional<Trajectories> trajectories;
  std::optional<NearestImages> neighbours;
  std::vector<StepSamples> snapshots;  // the first and the last, in this order
  std::vector<SnapshotFile> snapshot_files;
  std::vector<Curve> chains;   // chains.jsonl
  std::vector<Curve> quality;  // "curve" of the summary, flattened: "inception_score.mean"
};

struct SweepRun {
  double step_size = 0;
  at::Tensor samples;  // [records, chains, 2]
};

struct PhaseRecords {
  std::string name;  // "gan", "ratio", ...
  std::vector<Curve> curves;
};

struct RunData {
  std::filesystem::path folder;
  Json report;
  Json provenance;                   // run.json; null where absent
  std::string config;                // text of config.yaml; empty where absent
  std::string data_kind;             // data.kind of the configuration; empty where unknown
  at::Tensor real;                   // like MethodRun::samples
  std::vector<MethodRun> methods;    // in the order of report.json
  std::vector<SweepRun> sweep;       // by step size
  std::vector<PhaseRecords> phases;  // in the order of metrics.jsonl

  bool points() const;  // 2-D points rather than images
};

// Throws Error: missing (no report.json), data (a damaged file; names it).
RunData read_run(const std::filesystem::path& folder);
// A run that goes on, and may have no report.json yet: its configuration, where it is there, what of the methods that
// it names is complete, and the phases so far.
RunData read_growing_run(const std::filesystem::path& folder);
// What there is below samples/ of these methods.
RunData read_samples_of(const std::filesystem::path& folder, const std::vector<std::string>& methods);
// The first samples of a file of a run, like MethodRun::samples; undefined where the file is not there. Throws
// Error(data).
at::Tensor read_first_samples(const std::filesystem::path& file, int64_t at_most);
// report.json alone: names and summaries of the methods.
RunData read_run_summary(const std::filesystem::path& folder);

const MethodRun* find_method(const RunData& run, const std::string& name);
const Curve* find_curve(const std::vector<Curve>& curves, const std::string& name);

}  // namespace ddls::report
