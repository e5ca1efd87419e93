#include "ddls/sample_store.hpp"

#include <ATen/ATen.h>

#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "ddls/sample_rows.hpp"
#include "ddls/trace_summary.hpp"
#include "tensor/safetensors.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* manifest_name = "manifest.json";

Json manifest_of(const fs::path& folder) {
  return Json::parse(read_file(folder / manifest_name), nullptr, /*allow_exceptions=*/false);
}

at::Tensor need(const tensor::SafeTensors& file, const std::string& name, const fs::path& path) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    fail(Exit::data, "{}: no tensor '{}'; delete the file and start again", path.string(), name);
  return found->second;
}

bool is_of(const tensor::SafeTensors& block, const SampleKey& key) {
  const auto found = block.metadata.find("key");
  return found != block.metadata.end() && found->second == key.text;
}

RowFiles row_files_of(const tensor::SafeTensors& block, const fs::path& path) {
  const auto rows = block.metadata.find("rows");
  // Blocks of older programs hold all their rows themselves.
  if (rows == block.metadata.end()) fail(Exit::data, "'{}' is a block of an older version", path.string());
  return row_files_from(rows->second, path.string());
}

// Curves over the chains of all blocks, as lines of chains.jsonl.
struct Curves {
  std::string lines;
  int64_t restarts = 0;
  double evaluations = 0;  // mean over chains and steps of the rate of that name
};

Curves curves_of(const Method& method, const at::Tensor& sums, const std::vector<int64_t>& record_steps,
                 int64_t chains) {
  const std::vector<std::string> names = curve_names(method);
  std::set<std::string> of_steps(method.rates.begin(), method.rates.end());  // what a start has none of
  of_steps.insert("jump2");
  Curves curves;
  for (size_t r = 0; r < record_steps.size(); ++r) {
    Json line{{"step", record_steps[r]}, {"step_size", method.step_size(std::max<int64_t>(record_steps[r] - 1, 0))}};
    for (size_t c = 0; c < names.size(); ++c) {
      const std::string& name = names[c];
      if (record_steps[r] == 0 && of_steps.contains(name)) continue;
      const double value = sums.index({static_cast<int64_t>(r), static_cast<int64_t>(c)}).item<double>();
      if (name == "nonfinite") curves.restarts += static_cast<int64_t>(value);
      if (name == evaluations_rate)
        curves.evaluations += value / static_cast<double>(chains) *
                              static_cast<double>(record_steps[r] - record_steps[r - 1]) /
                              static_cast<double>(method.steps);
      line[name] = name == "nonfinite" ? Json(static_cast<int64_t>(value)) : Json(value / static_cast<double>(chains));
    }
    curves.lines += json_text(line) + "\n";
  }
  return curves;
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

// Of this key alone: rows that another key left are nobody's.
fs::path SampleStore::rows_folder() const { return folder_ / "blocks" / ("rows-" + hex64(hash64(key_.text))); }

// The manifest goes last, and with it the folder is whole; it is written before the first file moves. Another process
// of a job array may be at the same.
void SampleStore::move_into_place() const {
  const fs::path from = rows_folder();
  const auto move = [&](const std::string& name) {
    make_folder((folder_ / name).parent_path());
    std::error_code error;
    fs::rename(from / name, folder_ / name, error);
    if (error && (fs::exists(from / name) || !fs::exists(folder_ / name)))
      fail(Exit::runtime, "cannot move '{}' into '{}': {}", (from / name).string(), folder_.string(), error.message());
    sync_folder((folder_ / name).parent_path());
  };
  Json manifest;
  try {
    manifest = manifest_of(from);
  } catch (const Error& error) {
    if (error.code() == Exit::missing) return;  // the other process has moved it
    throw;
  }
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object()) {
    log::warning("{} is damaged; the samples are put together again", (from / manifest_name).string());
    fs::remove(from / manifest_name);
    return;
  }
  for (const auto& [name, hash] : manifest["files"].items()) move(name);
  move(manifest_name);
  fs::remove_all(folder_ / "blocks");
}

bool SampleStore::finished() const {
  if (fs::exists(rows_folder() / manifest_name)) move_into_place();
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
  for (int64_t i = 0; i < plan_.blocks(); ++i) {  // all blocks of this key name the same files
    if (!fs::exists(block_path(i))) continue;
    try {
      const tensor::SafeTensors block = tensor::read_safetensors(block_path(i));
      if (is_of(block, key_)) return remove_unfit_files(rows_folder(), row_files_of(block, block_path(i)));
    } catch (const Error&) {  // `has` says so
    }
  }
}

bool SampleStore::has(const Block& block) const {
  const fs::path path = block_path(block.index);
  if (!fs::exists(path)) return false;
  try {
    const tensor::SafeTensors file = tensor::read_safetensors(path);
    if (!is_of(file, key_)) return false;
    if (rows_verify(rows_folder(), block, row_files_of(file, path))) return true;
    log::warning("{}: its rows are not there as they were written; the block is computed again", path.string());
  } catch (const Error& error) {
    log::warning("{}; the block is computed again", error.what());
  }
  return false;
}

void SampleStore::write(const Block& block, const BlockResult& result) {
  const RowFiles rows = write_rows(rows_folder(), block, result, plan_.count);
  tensor::write_safetensors(block_path(block.index),
                            {{"curves", result.curves},
                             {"trajectory_latents", result.trajectory_latents},
                             {"trajectory_samples", result.trajectory_samples},
                             {"traces", result.traces}},
                            {{"key", key_.text}, {"rows", to_text(rows)}});
  fs::remove(state_path(block.index));
}

void SampleStore::write_state(const Block& block, const tensor::NamedTensors& state) {
  tensor::write_safetensors(state_path(block.index), state, {{"key", key_.text}});
}

std::optional<tensor::NamedTensors> SampleStore::read_state(const Block& block) const {
  const fs::path path = state_path(block.index);
  if (!fs::exists(path)) return std::nullopt;
  try {
    tensor::SafeTensors file = tensor::read_safetensors(path);
    if (file.metadata["key"] == key_.text) return std::move(file.tensors);
  } catch (const Error& error) {
    log::warning("{}; the block starts from its first step", error.what());
  }
  return std::nullopt;
}

struct SampleStore::Blocks {
  at::Tensor sums;
  std::vector<at::Tensor> path_latents, path_samples, traces;
  std::vector<RowFiles> rows;
  Json files = Json::object();  // name: SHA-256
};

SampleStore::Blocks SampleStore::read_blocks(int64_t records, int64_t curves) const {
  Blocks all;
  all.sums = at::zeros({records, curves}, at::kDouble);
  for (int64_t i = 0; i < plan_.blocks(); ++i) {  // in block order: the same bytes whoever made the blocks
    const fs::path path = block_path(i);
    const tensor::SafeTensors block = tensor::read_safetensors(path);
    if (!is_of(block, key_)) fail(Exit::data, "{} belongs to another run; delete it", path.string());
    all.rows.push_back(row_files_of(block, path));
    all.sums += need(block, "curves", path);
    const at::Tensor scalars = need(block, "traces", path);
    if (scalars.numel() > 0) all.traces.push_back(scalars);
    const at::Tensor latents = need(block, "trajectory_latents", path);
    if (latents.numel() == 0) continue;
    all.path_latents.push_back(latents);
    all.path_samples.push_back(need(block, "trajectory_samples", path));
  }
  return all;
}

// Blocks that a file of rows lacks are removed, so that a new start makes them.
void SampleStore::seal(Blocks& blocks) const {
  try {
    for (const auto& [name, hash] : seal_rows(rows_folder(), plan_, blocks.rows)) blocks.files[name] = hash;
  } catch (const Error& error) {
    for (int64_t i = 0; i < plan_.blocks(); ++i)
      if (!has(plan_.block(i))) fs::remove(block_path(i));
    fail(error.code(), "{}; start again: the blocks concerned are made anew", error.what());
  }
}

void SampleStore::assemble(const Method& method, const std::vector<int64_t>& record_steps, const SamplingTime& time,
                           const std::vector<std::string>& class_names) {
  const fs::path made = rows_folder();
  Blocks blocks =
      read_blocks(static_cast<int64_t>(record_steps.size()), static_cast<int64_t>(curve_names(method).size()));
  seal(blocks);
  auto& [sums, path_latents, path_samples, traces, rows, files] = blocks;
  if (!path_latents.empty()) {
    tensor::write_npz(made / "trajectories.npz", {{"latents", at::cat(path_latents, 1)},
                                                  {"samples", at::cat(path_samples, 1)},
                                                  {"steps", at::tensor(record_steps, at::kLong)}});
    files["trajectories.npz"] = sha256_of_file(made / "trajectories.npz");
  }
  const Curves curves = curves_of(method, sums, record_steps, plan_.count);
  write_file(made / "chains.jsonl", curves.lines);
  files["chains.jsonl"] = sha256(curves.lines);

  const double ratios = method.cost.counted ? curves.evaluations : method.cost.ratios;
  const Json diagnostics = method.population
                               ? no_diagnostics("the particles of a block are a population, not independent chains")
                               : trace_summary(traces.empty() ? at::Tensor() : at::cat(traces, 1), record_steps);
  Json manifest{{"schema", 1},
                {"method", method.name},
                {"count", plan_.count},
                {"steps", method.steps},
                {"temperature", method.temperature},
                {"exact", method.exact},
                {"seconds", time.seconds},
                {"warmup_seconds", time.warmup_seconds},
                {"evaluations_per_step", {{"gradients", method.cost.gradients}, {"ratios", ratios}}},
                {"rates", method.rates},
                {"restarts", curves.restarts},
                {"diagnostics", diagnostics},
                {"key", key_.text},
                {"files", files}};
  if (!method.last_rates.empty()) manifest["last_rates"] = method.last_rates;
  if (!method.warm_up.empty()) manifest["warmup"] = method.warm_up;
  const bool labelled = rows.front().front().arrays.size() > 1;
  if (!class_names.empty() && labelled) manifest["class_names"] = class_names;
  write_file(made / manifest_name, json_text(manifest, 2) + "\n");
  move_into_place();
}

}  // namespace ddls::sampling
