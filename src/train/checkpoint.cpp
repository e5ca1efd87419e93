#include "train/checkpoint.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "tensor/safetensors.hpp"

namespace ddls::train {
void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  const fs::path partial = folder.string() + ".partial";
  fs::remove_all(partial);
  make_folder(partial);
  try {
    Json manifest{{"schema", 1}};
    const auto listed = [&](const std::string& name) {
      manifest["files"][name] = {{"bytes", fs::file_size(partial / name)}, {"sha256", sha256_of_file(partial / name)}};
    };
    for (const auto& [name, tensors] : checkpoint.tensors) {
      tensor::write_safetensors(partial / (name + ".safetensors"), tensors);
      listed(name + ".safetensors");
    }
    write_file(partial / "state.json", json_text(checkpoint.state, 2) + "\n");
    listed("state.json");
    write_file(partial / "manifest.json", json_text(manifest, 2) + "\n");
    fs::remove_all(folder);
    fs::rename(partial, folder);
    sync_folder(folder.parent_path());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    throw;
  }
}

void verify_checkpoint(const fs::path& folder) {
  const fs::path path = folder / "manifest.json";
  if (!fs::exists(path)) fail(Exit::missing, "{}: not a checkpoint (no manifest.json)", folder.string());
  const Json files = json_field<Json>(read_json_object(path), "files", path);
  if (!files.is_object()) fail(Exit::data, "'{}' is damaged: 'files' is {}", path.string(), files.dump());
  for (const auto& [name, entry] : files.items()) {
    if (!fs::exists(folder / name)) fail(Exit::data, "{}: missing from the checkpoint", (folder / name).string());
    if (sha256_of_file(folder / name) != json_field<std::string>(entry, "sha256", path))
      fail(Exit::data, "{}: damaged (its checksum differs from the manifest's)", (folder / name).string());
  }
}

Checkpoint read_checkpoint(const fs::path& folder) {
  verify_checkpoint(folder);
  Checkpoint checkpoint;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors")
      checkpoint.tensors[entry.path().stem().string()] = tensor::read_safetensors(entry.path()).tensors;
  checkpoint.state = read_json_object(folder / "state.json");
  return checkpoint;
}

CheckpointStore::CheckpointStore(fs::path folder, std::string prefix, int64_t keep, int64_t keep_every)
    : folder_(std::move(folder)), prefix_(std::move(prefix)), keep_(keep), keep_every_(keep_every) {}

fs::path CheckpointStore::path_of(int64_t step) const { return folder_ / fmt::format("{}-{:08}", prefix_, step); }

std::vector<int64_t> CheckpointStore::steps() const {
  std::vector<int64_t> found;
  if (!fs::is_directory(folder_)) return found;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    const std::string digits = name.starts_with(prefix_ + "-") ? name.substr(prefix_.size() + 1) : "";
    if (!digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      found.push_back(std::stoll(digits));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void CheckpointStore::save(int64_t step, const Checkpoint& checkpoint) {
  make_folder(folder_);
  write_checkpoint(path_of(step), checkpoint);
  const std::vector<int64_t> all = steps();
  for (size_t i = 0; i + static_cast<size_t>(keep_) < all.size(); ++i)
    if (keep_every_ == 0 || all[i] % keep_every_ != 0) fs::remove_all(path_of(all[i]));
}

std::optional<fs::path> CheckpointStore::newest() const {
  const std::vector<int64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      verify_checkpoint(path_of(*step));
      return path_of(*step);
    } catch (const Error& error) {
      log::warning("{}; going back to the checkpoint before it", error.what());
    }
  }
  return std::nullopt;
}

void CheckpointStore::clear() const {
  for (const int64_t step : steps()) fs::remove_all(path_of(step));
}

}  // namespace ddls::train
