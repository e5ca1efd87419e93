#pragma once
// What a run leaves behind while it goes: metrics.jsonl and TensorBoard event files. Rank 0 writes; on other ranks the
// calls do nothing.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/event_file.hpp"
#include "base/json_lines.hpp"

namespace ddls {

struct NamedValue {
  std::string name;
  double value = 0;
};

class RunLog {
 public:
  RunLog(const std::filesystem::path& run_folder, bool root, bool tensorboard);

  void record(const std::string& phase, int64_t step, const std::vector<NamedValue>& values);
  // A picture of the run: images [n, C, H, W] in [-1, 1] as a grid (event file, and PNG at `png` below the run folder).
  void picture(const std::string& tag, int64_t step, const at::Tensor& images, const std::string& png);
  // A phase goes on from `step`: what was recorded beyond it is taken back.
  void resume(const std::string& phase, int64_t step);
  bool root() const { return root_; }

 private:
  std::filesystem::path folder_;
  bool root_;
  std::unique_ptr<JsonLines> metrics_;
  std::unique_ptr<EventFile> events_;
};

}  // namespace ddls
