#include "ddls/sample_store.hpp"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "ddls/trace_summary.hpp"
#include "tensor/safetensors.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* manifest_name = "manifest.json";

Json manifest_of(const fs::path& folder) {
  return Json::parse(read_file(folder / manifest_name), nullptr, /*allow_exceptions=*/false);
}

at::Tensor need(const SafeTensors& file, const std::string& name, const fs::path& path) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    fail(Exit::data, "{}: no tensor '{}'; delete the file and start again", path.string(), name);
  return found->second;
}

std::vector<int64_t> sizes_of_all(const at::Tensor& piece, int64_t count) {
  std::vector<int64_t> sizes = piece.sizes().vec();
  sizes.front() = count;
  return sizes;
}

}  // namespace

std::vector<std::string> curve_names(const Method& method) {
  std::vector<std::string> names{"energy", "log_ratio", "neg_log_prior", "grad_norm", "z_norm2_per_k", "jump2"};
  names.insert(names.end(), method.rates.begin(), method.rates.end());
  names.emplace_back("nonfinite");
  return names;
}

std::vector<std::string> trace_names(int64_t components) {
  std::vector<std::string> names{"energy", "log_ratio", "z_norm2"};
  for (int64_t i = 0; i < trace_projections; ++i) names.push_back(fmt::format("projection_{}", i));
  for (int64_t i = 0; i < components; ++i) names.push_back(fmt::format("feature_component_{}", i));
  return names;
}

SampleStore::SampleStore(fs::path folder, SampleKey key, BlockPlan plan)
    : folder_(std::move(folder)), key_(std::move(key)), plan_(plan) {}

fs::path SampleStore::block_path(int64_t index) const {
  return folder_ / "blocks" / fmt::format("block-{:06}.safetensors", index);
}

fs::path SampleStore::state_path(int64_t index) const {
  return folder_ / "blocks" / fmt::format("state-{:06}.safetensors", index);
}

bool SampleStore::finished() const {
  if (!fs::exists(folder_ / manifest_name)) return false;
  const Json manifest = manifest_of(folder_);
  if (!manifest.is_object() || !manifest.contains("key") || manifest["key"] != key_.text) return false;
  if (!manifest.contains("files") || !manifest["files"].is_object()) {
    log::warning("{} is damaged; its samples are made again", (folder_ / manifest_name).string());
    return false;
  }
  const Json evaluated = manifest.value("evaluated", Json::object());  // files that an evaluation has added to
  for (const auto& [name, hash] : manifest["files"].items()) {
    const std::string found = fs::exists(folder_ / name) ? sha256_of_file(folder_ / name) : "";
    if (hash != found && !(evaluated.contains(name) && evaluated[name] == found)) {
      log::warning("{} does not match its manifest; its samples are made again", (folder_ / name).string());
      return false;
    }
  }
  return true;
}

void SampleStore::prepare() {
  make_folder(folder_ / "blocks");
  for (const auto& entry : fs::directory_iterator(folder_))  // samples and pictures of another key
    if (entry.path().filename() != "blocks") fs::remove_all(entry.path());
}

bool SampleStore::has(const Block& block) const {
  const fs::path path = block_path(block.index);
  if (!fs::exists(path)) return false;
  try {
    const SafeTensors file = read_safetensors(path);
    const auto key = file.metadata.find("key");
    return key != file.metadata.end() && key->second == key_.text;
  } catch (const Error& error) {
    log::warning("{}; the block is computed again", error.what());
    return false;
  }
}

void SampleStore::write(const Block& block, const BlockResult& result) {
  NamedTensors tensors{{"latents", result.latents},
                       {"samples", result.samples},
                       {"curves", result.curves},
                       {"snapshots", result.snapshots},
                       {"trajectory_latents", result.trajectory_latents},
                       {"trajectory_samples", result.trajectory_samples},
                       {"traces", result.traces}};
  if (result.labels.defined()) tensors["labels"] = result.labels;
  write_safetensors(block_path(block.index), tensors, {{"key", key_.text}});
  fs::remove(state_path(block.index));
}

void SampleStore::write_state(const Block& block, const NamedTensors& state) {
  write_safetensors(state_path(block.index), state, {{"key", key_.text}});
}

std::optional<NamedTensors> SampleStore::read_state(const Block& block) const {
  const fs::path path = state_path(block.index);
  if (!fs::exists(path)) return std::nullopt;
  try {
    SafeTensors file = read_safetensors(path);
    if (file.metadata["key"] == key_.text) return std::move(file.tensors);
  } catch (const Error& error) {
    log::warning("{}; the block starts from its first step", error.what());
  }
  return std::nullopt;
}

void SampleStore::assemble(const Method& method, const std::vector<int64_t>& record_steps,
                           const std::vector<int64_t>& snapshot_steps, const SamplingTime& time,
                           const std::vector<std::string>& class_names) {
  const auto read = [&](int64_t index) {
    const fs::path path = block_path(index);
    SafeTensors file = read_safetensors(path);
    if (file.metadata["key"] != key_.text) fail(Exit::data, "{} belongs to another run; delete it", path.string());
    return file;
  };
  const int64_t blocks = plan_.blocks();
  std::vector<std::string> files;

  // One pass over the blocks per output file: memory holds one block at a time.
  const auto write_rows = [&](const std::string& file, const std::string& tensor, int64_t snapshot) {
    const auto piece = [&](int64_t index) {
      const at::Tensor t = need(read(index), tensor, block_path(index));
      return (snapshot < 0 ? t : t.select(0, snapshot)).contiguous();
    };
    const auto layout = [](const at::Tensor& t) { return t.dim() == 4 ? t.permute({0, 2, 3, 1}).contiguous() : t; };
    const at::Tensor first = layout(piece(0));
    const bool labelled = tensor == "samples" && read(0).tensors.contains("labels");
    std::vector<NpzWriter::Entry> entries{{"arr_0", first.scalar_type(), sizes_of_all(first, plan_.count)}};
    if (labelled) entries.push_back({"arr_1", at::kLong, {plan_.count}});
    NpzWriter writer(folder_ / file, entries);
    writer.append(first);
    for (int64_t i = 1; i < blocks; ++i) writer.append(layout(piece(i)));
    if (labelled)
      for (int64_t i = 0; i < blocks; ++i) writer.append(need(read(i), "labels", block_path(i)));
    writer.finish();
    files.push_back(file);
  };
  write_rows("samples.npz", "samples", -1);
  write_rows("latents.npz", "latents", -1);
  if (!snapshot_steps.empty()) make_folder(folder_ / "snapshots");
  for (size_t s = 0; s < snapshot_steps.size(); ++s)
    write_rows(fmt::format("snapshots/step-{:06}.npz", snapshot_steps[s]), "snapshots", static_cast<int64_t>(s));

  const std::vector<std::string> names = curve_names(method);
  const std::set<std::string> of_steps = [&] {  // what a start has none of
    std::set<std::string> all(method.rates.begin(), method.rates.end());
    all.insert("jump2");
    return all;
  }();
  at::Tensor sums =
      at::zeros({static_cast<int64_t>(record_steps.size()), static_cast<int64_t>(names.size())}, at::kDouble);
  std::vector<at::Tensor> path_latents, path_samples, traces;
  for (int64_t i = 0; i < blocks; ++i) {  // in block order: the same bytes whoever made the blocks
    const SafeTensors file = read(i);
    sums += need(file, "curves", block_path(i));
    const at::Tensor scalars = need(file, "traces", block_path(i));
    if (scalars.numel() > 0) traces.push_back(scalars);
    const at::Tensor latents = need(file, "trajectory_latents", block_path(i));
    if (latents.numel() == 0) continue;
    path_latents.push_back(latents);
    path_samples.push_back(need(file, "trajectory_samples", block_path(i)));
  }
  if (!path_latents.empty()) {
    write_npz(folder_ / "trajectories.npz", {{"latents", at::cat(path_latents, 1)},
                                             {"samples", at::cat(path_samples, 1)},
                                             {"steps", at::tensor(record_steps, at::kLong)}});
    files.emplace_back("trajectories.npz");
  }

  int64_t restarts = 0;
  std::string lines;
  const auto count = static_cast<double>(plan_.count);
  for (size_t r = 0; r < record_steps.size(); ++r) {
    Json line{{"step", record_steps[r]}, {"step_size", method.step_size(std::max<int64_t>(record_steps[r] - 1, 0))}};
    for (size_t c = 0; c < names.size(); ++c) {
      const std::string& name = names[c];
      if (record_steps[r] == 0 && of_steps.contains(name)) continue;
      const double value = sums.index({static_cast<int64_t>(r), static_cast<int64_t>(c)}).item<double>();
      if (name == "nonfinite") restarts += static_cast<int64_t>(value);
      line[name] = name == "nonfinite" ? Json(static_cast<int64_t>(value)) : Json(value / count);
    }
    lines += json_text(line) + "\n";
  }
  write_file(folder_ / "chains.jsonl", lines);
  files.emplace_back("chains.jsonl");

  Json manifest{{"schema", 1},
                {"method", method.name},
                {"count", plan_.count},
                {"steps", method.steps},
                {"temperature", method.temperature},
                {"seconds", time.seconds},
                {"warmup_seconds", time.warmup_seconds},
                {"evaluations_per_step", {{"gradients", method.cost.gradients}, {"ratios", method.cost.ratios}}},
                {"rates", method.rates},
                {"restarts", restarts},
                {"diagnostics", trace_summary(traces.empty() ? at::Tensor() : at::cat(traces, 1), record_steps)},
                {"key", key_.text}};
  if (!class_names.empty() && read(0).tensors.contains("labels")) manifest["class_names"] = class_names;
  for (const std::string& file : files) manifest["files"][file] = sha256_of_file(folder_ / file);
  write_file(folder_ / manifest_name, json_text(manifest, 2) + "\n");
  fs::remove_all(folder_ / "blocks");
}

}  // namespace ddls
