#include "train/run_log.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "base/files.hpp"
#include "base/json.hpp"
#include "tensor/image_io.hpp"

namespace ddls::train {

RunLog::RunLog(const fs::path& run_folder, bool root, bool tensorboard, std::function<void()> begin)
    : folder_(run_folder), root_(root), begin_(std::move(begin)) {
  if (!root_) return;
  metrics_ = std::make_unique<JsonLines>(folder_ / "metrics.jsonl");
  if (tensorboard) events_ = std::make_unique<EventFile>(folder_ / "tensorboard", "ddls");
}

void RunLog::work_begins() {
  if (root_ && begin_) std::exchange(begin_, {})();
}

void RunLog::record(const std::string& phase, int64_t step, const std::vector<NamedValue>& values) {
  if (!root_) return;
  Json line{{"phase", phase}, {"step", step}};
  for (const NamedValue& v : values) line[v.name] = v.value;
  metrics_->write(line);
  if (!events_) return;
  for (const NamedValue& v : values) events_->scalar(phase + "/" + v.name, v.value, step);
  events_->flush();
}

void RunLog::picture(const std::string& tag, int64_t step, const at::Tensor& images, const std::string& png) {
  if (!root_) return;
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(images.size(0)))));
  const at::Tensor grid = tensor::image_grid(tensor::quantise(images.cpu()), columns);
  const std::string bytes = tensor::encode_png(grid);
  make_folder((folder_ / png).parent_path());
  write_file(folder_ / png, bytes);
  if (events_) events_->image(tag, bytes, grid.size(1), grid.size(2), grid.size(0), step);
}

void RunLog::resume(const std::string& phase, int64_t step) {
  if (!root_) return;
  metrics_.reset();
  drop_records_after(folder_ / "metrics.jsonl", phase, step);
  metrics_ = std::make_unique<JsonLines>(folder_ / "metrics.jsonl");
  if (events_ && step > 0) events_->restarted_at(step);
}

}  // namespace ddls::train
