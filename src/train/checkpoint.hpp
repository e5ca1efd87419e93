#pragma once
// Checkpoint folders: complete or absent. Files are written into NAME.partial, a manifest with their checksums last,
// and the folder is renamed. A reader accepts only what verifies. Nothing in them depends on the rank count. Not
// collective: one process calls this (the others learn through Communicator::on_root / together).
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "tensor/npz.hpp"

namespace ddls::train {

struct Checkpoint {
  std::map<std::string, tensor::NamedTensors> tensors;  // "generator" -> generator.safetensors
  Json state;                                           // state.json: step, configuration key, ...
};

void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);
// Throws Error(missing/data) naming the file that is not there or does not verify.
Checkpoint read_checkpoint(const std::filesystem::path& folder);
void verify_checkpoint(const std::filesystem::path& folder);  // throws the same

// The checkpoints of one phase in a run: PREFIX-00012000.
class CheckpointStore {
 public:
  // Besides the newest `keep` those of every `keep_every`-th step stay for good; 0: none.
  CheckpointStore(std::filesystem::path folder, std::string prefix, int64_t keep, int64_t keep_every = 0);

  std::filesystem::path path_of(int64_t step) const;
  void save(int64_t step, const Checkpoint& checkpoint);  // then removes the old ones
  // The newest one that verifies; damaged ones are passed over with a warning that names them.
  std::optional<std::filesystem::path> newest() const;
  void clear() const;

 private:
  std::vector<int64_t> steps() const;  // ascending

  std::filesystem::path folder_;
  std::string prefix_;
  int64_t keep_, keep_every_;
};

}  // namespace ddls::train
