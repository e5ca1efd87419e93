#pragma once
// What a run leaves behind while it goes: metrics.jsonl and TensorBoard event files. Rank 0 writes; on other ranks the
// calls do nothing.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_file.hpp"
#include "base/json_lines.hpp"

namespace ddls::train {

struct NamedValue {
  std::string name;
  double value = 0;
};

class RunLog {
 public:
  // `begin` is called when the first work is about to be done, once: by then nothing can refuse to go on from what the
  // folder holds, so that what describes the run may be written.
  RunLog(const std::filesystem::path& run_folder, bool root, bool tensorboard, std::function<void()> begin = {});

  void work_begins();

  void record(const std::string& phase, int64_t step, const std::vector<NamedValue>& values);
  // A picture of the run: images [n, C, H, W] in [-1, 1] as a grid (event file, and PNG at `png` below the run folder).
  void picture(const std::string& tag, int64_t step, const at::Tensor& images, const std::string& png);
  // A phase goes on from `step`: what was recorded beyond it is taken back.
  void resume(const std::string& phase, int64_t step);
  bool root() const { return root_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  bool root_;
  std::function<void()> begin_;
  std::unique_ptr<JsonLines> metrics_;
  std::unique_ptr<EventFile> events_;
};

}  // namespace ddls::train
