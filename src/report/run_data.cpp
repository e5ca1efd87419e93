#include "report/run_data.hpp"

#include <ATen/ATen.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "report/records.hpp"
#include "tensor/npz.hpp"

namespace ddls::report {
namespace {

at::Tensor array(const tensor::NamedTensors& arrays, const std::string& name, const fs::path& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) fail(Exit::data, "'{}' has no array '{}'", file.string(), name);
  return found->second;
}

// The last dimensions of stored samples: [..., 2] points, or [..., C, H, W] images.
void check_samples(const at::Tensor& samples, int64_t leading, const fs::path& file) {
  const bool points = samples.scalar_type() == at::kFloat && samples.dim() == leading + 1 && samples.size(-1) == 2;
  const bool images = samples.scalar_type() == at::kByte && samples.dim() == leading + 3 &&
                      (samples.size(-3) == 1 || samples.size(-3) == 3);
  if (!points && !images) {
    fail(Exit::data, "'{}' holds neither float32 points [.., 2] nor uint8 images with 1 or 3 channels", file.string());
  }
}

struct Samples {
  at::Tensor shown;
  int64_t count = 0;
};

Samples read_samples(const fs::path& file, int64_t at_most = kept_points) {
  if (!fs::exists(file)) return {};
  const tensor::NpzArray all(file, "arr_0", tensor::NpzArray::Checksum::trust);
  const int64_t count = all.sizes().front();
  at::Tensor first = all.rows(0, std::min({count, at_most, all.sizes().size() == 4 ? kept_images : kept_points}));
  if (first.dim() == 4) first = first.permute({0, 3, 1, 2}).contiguous();  // NHWC on disk
  check_samples(first, 1, file);
  return {first, count};
}

std::optional<Trajectories> read_trajectories(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  const tensor::NamedTensors arrays = tensor::read_npz(file);
  Trajectories result{array(arrays, "latents", file), array(arrays, "samples", file), {}};
  const at::Tensor steps = array(arrays, "steps", file).to(at::kLong).contiguous();
  check_samples(result.samples, 2, file);
  if (steps.dim() != 1 || steps.numel() != result.samples.size(0)) {
    fail(Exit::data, "'{}': {} records, but {} steps", file.string(), result.samples.size(0), steps.numel());
  }
  result.steps.assign(steps.data_ptr<int64_t>(), steps.data_ptr<int64_t>() + steps.numel());
  if (result.samples.numel() == 0) return std::nullopt;
  return result;
}

std::optional<NearestImages> read_neighbours(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  const tensor::NamedTensors arrays = tensor::read_npz(file);
  NearestImages result{array(arrays, "samples", file), array(arrays, "pixel_images", file),
                       array(arrays, "feature_images", file)};
  check_samples(result.samples, 1, file);
  for (const at::Tensor& images : {result.by_pixels, result.by_features}) {
    check_samples(images, 2, file);
    if (images.dim() != 5 || images.size(0) != result.samples.size(0) ||
        images.sizes().slice(2) != result.samples.sizes().slice(1))
      fail(Exit::data, "'{}': neighbours and samples do not belong together", file.string());
  }
  return result;
}

std::vector<fs::path> npz_files(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".npz") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int64_t step_of(const fs::path& snapshot) {
  const std::string stem = snapshot.stem().string();  // step-000010
  const std::string digits = stem.starts_with("step-") ? stem.substr(5) : "";
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) {
    fail(Exit::data, "'{}' is not named as a snapshot (step-NNNNNN.npz)", snapshot.string());
  }
  return std::stoll(digits);
}

void read_shown(MethodRun& method) {
  Samples samples = read_samples(method.folder / "samples.npz");
  method.samples = samples.shown;
  method.sample_count = samples.count;
  for_each_record(method.folder / "chains.jsonl", [&](const Json& record) { add_record(record, method.chains); });
}

void read_method_files(MethodRun& method) {
  read_shown(method);
  method.trajectories = read_trajectories(method.folder / "trajectories.npz");
  method.neighbours = read_neighbours(method.folder / "neighbours.npz");
  const std::vector<fs::path> files = npz_files(method.folder / "snapshots");
  for (const fs::path& file : files) method.snapshot_files.push_back({step_of(file), file});
  if (!files.empty()) method.snapshots.push_back({step_of(files.front()), read_samples(files.front()).shown});
  if (files.size() > 1) method.snapshots.push_back({step_of(files.back()), read_samples(files.back()).shown});
  for (const Json& record : at_path(method.summary, "curve")) add_record(record, method.quality);
}

std::vector<SweepRun> read_sweep(const fs::path& folder) {
  std::vector<SweepRun> sweep;
  for (const fs::path& file : npz_files(folder)) {
    const tensor::NamedTensors arrays = tensor::read_npz(file);
    const at::Tensor step_size = array(arrays, "step_size", file);
    if (step_size.numel() != 1) fail(Exit::data, "'{}': step_size is not one number", file.string());
    sweep.push_back({step_size.item().toDouble(), array(arrays, "samples", file)});
    check_samples(sweep.back().samples, 2, file);
  }
  std::sort(sweep.begin(), sweep.end(), [](const auto& a, const auto& b) { return a.step_size < b.step_size; });
  return sweep;
}

std::vector<PhaseRecords> read_phases(const fs::path& file) {
  std::vector<PhaseRecords> phases;
  for_each_record(file, [&](const Json& record) {
    const std::string name = text_at(record, "phase");
    if (name.empty() || name.find('/') != std::string::npos) return;  // "sample/METHOD": chains.jsonl has the same
    auto phase = std::find_if(phases.begin(), phases.end(), [&](const PhaseRecords& p) { return p.name == name; });
    if (phase == phases.end()) phase = phases.insert(phases.end(), PhaseRecords{name, {}});
    add_record(record, phase->curves);
  });
  return phases;
}

std::string data_kind_of(const std::string& config, const fs::path& file) {
  try {
    const YAML::Node root = YAML::Load(config);
    if (root.IsMap() && root["data"].IsMap()) return root["data"]["kind"].as<std::string>("");
  } catch (const YAML::Exception& error) {
    fail(Exit::data, "'{}' is damaged: {}", file.string(), error.what());
  }
  return {};
}

MethodRun& add_method(RunData& run, const std::string& name) {
  MethodRun& method = run.methods.emplace_back();
  method.name = name;
  method.folder = run.folder / "samples" / name;
  return method;
}

void read_samples_folder(RunData& run) {
  run.real = read_samples(run.folder / "samples" / "real.npz").shown;
  for (MethodRun& method : run.methods) read_method_files(method);
  run.sweep = read_sweep(run.folder / "samples" / "sweep");
}

}  // namespace

bool RunData::points() const {
  if (real.defined()) return real.dim() == 2;
  return std::any_of(methods.begin(), methods.end(),
                     [](const MethodRun& m) { return m.samples.defined() && m.samples.dim() == 2; });
}

RunData read_run_summary(const fs::path& folder) {
  const fs::path file = folder / "report.json";
  if (!fs::exists(file)) {
    fail(Exit::missing, "'{}' is not there: evaluate the run before its report is written", file.string());
  }
  RunData run;
  run.folder = folder;
  run.report = read_json_object(file);
  const Json& methods = at_path(run.report, "methods");
  if (!methods.is_object()) fail(Exit::data, "'{}' has no object 'methods'", file.string());
  for (const auto& [name, summary] : methods.items()) {
    if (!summary.is_object()) fail(Exit::data, "'{}': methods.{} is not an object", file.string(), name);
    add_method(run, name).summary = summary;
  }
  return run;
}

at::Tensor read_first_samples(const fs::path& file, int64_t at_most) { return read_samples(file, at_most).shown; }

RunData read_samples_of(const fs::path& folder, const std::vector<std::string>& methods) {
  RunData run;
  run.folder = folder;
  for (const std::string& name : methods) add_method(run, name);
  read_samples_folder(run);
  return run;
}

RunData read_growing_run(const fs::path& folder) {
  const fs::path config_file = folder / "config.yaml";
  RunData run;
  run.folder = folder;
  if (!fs::exists(config_file)) return run;
  run.config = read_file(config_file);
  run.data_kind = data_kind_of(run.config, config_file);
  const YAML::Node sample = YAML::Load(run.config)["sample"];
  if (sample.IsMap() && sample["methods"].IsSequence())
    for (const YAML::Node& name : sample["methods"]) add_method(run, name.as<std::string>(""));
  for (MethodRun& method : run.methods)
    if (fs::exists(method.folder / "manifest.json")) read_shown(method);
  run.phases = read_phases(folder / "metrics.jsonl");
  return run;
}

RunData read_run(const fs::path& folder) {
  RunData run = read_run_summary(folder);
  const fs::path config_file = folder / "config.yaml";
  if (fs::exists(folder / "run.json")) run.provenance = read_json_object(folder / "run.json");
  if (fs::exists(config_file)) run.config = read_file(config_file);
  run.data_kind = data_kind_of(run.config, config_file);
  read_samples_folder(run);
  run.phases = read_phases(folder / "metrics.jsonl");
  return run;
}

const MethodRun* find_method(const RunData& run, const std::string& name) {
  const auto found =
      std::find_if(run.methods.begin(), run.methods.end(), [&](const auto& m) { return m.name == name; });
  return found == run.methods.end() ? nullptr : &*found;
}

const Curve* find_curve(const std::vector<Curve>& curves, const std::string& name) {
  const auto found = std::find_if(curves.begin(), curves.end(), [&](const auto& c) { return c.name == name; });
  return found == curves.end() ? nullptr : &*found;
}

}  // namespace ddls::report
