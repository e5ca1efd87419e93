#include "report/live.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <ctime>
#include <map>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "report/curves.hpp"
#include "report/html.hpp"
#include "report/page_pictures.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"
#include "report/run_groups.hpp"
#include "report/summary.hpp"
#include "report/tables.hpp"
#include "tensor/image_io.hpp"

namespace ddls::report {
namespace {

constexpr size_t most_grids = 12;

// A part of the run: how much of it is done.
struct Part {
  std::string name, unit;
  int64_t done = 0, total = 0;
};

int64_t last_step(const RunData& run, const std::string& phase) {
  double last = 0;
  for (const PhaseRecords& one : run.phases)
    if (one.name == phase)
      for (const Curve& curve : one.curves) last = std::max(last, curve.x.back());
  return static_cast<int64_t>(last);
}

int64_t blocks_in(const fs::path& folder) {
  int64_t count = 0;
  std::error_code gone;  // it goes when the samples are complete
  for (const auto& entry : fs::directory_iterator(folder, gone))
    count += entry.path().filename().string().starts_with("block-") ? 1 : 0;
  return count;
}

std::vector<Part> parts_of(const RunData& run) {
  const std::map<std::string, std::string> options = config_leaves(run.config);
  const auto number = [&](const char* key) {
    int64_t value = 0;
    if (const auto found = options.find(key); found != options.end())
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    return value;
  };
  std::vector<Part> parts;
  const bool sampling = std::any_of(run.methods.begin(), run.methods.end(),
                                    [](const MethodRun& method) { return fs::exists(method.folder); });
  for (const auto& [name, key] :
       {std::pair{"gan", "train.steps"}, {"ratio", "train.ratio.steps"}, {"refine", "train.ratio.refine.steps"}}) {
    const int64_t total = number(key), done = last_step(run, name);
    // Steps of an earlier start, or of another run whose checkpoints this one has, are in no record.
    if (total > 0) parts.push_back({name, "steps", sampling ? total : std::min(done, total), total});
  }
  const int64_t count = number("sample.count"), block = std::max<int64_t>(number("sample.block_size"), 1);
  for (const MethodRun& method : run.methods) {
    const int64_t total = (count + block - 1) / block;
    const bool whole = fs::exists(method.folder / "manifest.json");
    parts.push_back({method_title(method.name), "blocks", whole ? total : blocks_in(method.folder / "blocks"), total});
  }
  return parts;
}

std::string progress_table(const std::vector<Part>& parts) {
  std::string rows;
  for (const Part& part : parts) {
    const int64_t percent = part.total > 0 ? 100 * part.done / part.total : 100;
    rows += fmt::format(
        "<tr>{}<td><div class=\"bar\" role=\"progressbar\" aria-label=\"{}\" aria-valuenow=\"{}\"><i "
        "style=\"width:{}%\">"
        "</i></div></td><td>{} of {} {}</td><td>{} %</td></tr>\n",
        row_head(escape(part.name)), escape(part.name), percent, percent, part.done, part.total, part.unit, percent);
  }
  return rows.empty() ? rows : table("Progress", head("part") + head("progress") + head("done") + head("share"), rows);
}

fs::file_time_type time_of(const fs::path& file) {
  std::error_code missing;
  const auto time = fs::last_write_time(file, missing);
  return missing ? fs::file_time_type::min() : time;
}

// The report comes last: what is newer than it belongs to a start that goes on.
bool has_ended(const fs::path& folder) {
  const auto written = time_of(folder / "report.html");
  if (written == fs::file_time_type::min()) return false;
  const auto page = written + std::chrono::seconds(2);  // of a folder that was copied
  return page >= time_of(folder / "report.json") && page >= time_of(folder / "metrics.jsonl") &&
         page >= time_of(folder / "config.yaml") && page >= time_of(folder / "run.json");
}

// The newest pictures that training kept, the newest first.
std::string training_grids(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder / "grids", missing))
    if (entry.path().extension() == ".png") files.push_back(entry.path());
  std::sort(files.rbegin(), files.rend());
  files.resize(std::min(files.size(), most_grids));
  std::vector<PageOfFigure> pages;
  for (const fs::path& file : files) {
    std::string digits = file.stem().string();
    digits.erase(0, std::min(digits.find_first_of("123456789"), digits.size() - 1));
    pages.push_back({read_file(file), "step " + digits});
  }
  if (pages.empty()) return {};
  return pages_figure(pages, "The averaged generator, the same latents every time.", "generator while training",
                      Turn::buttons);
}

std::string sample_pictures(const RunData& run) {
  std::vector<Picture> pictures;
  if (run.points()) {
    std::vector<PointPanel> panels;
    for (const MethodRun& method : run.methods)
      if (method.samples.defined())
        panels.push_back({method_title(method.name), method.samples, style_of_method(method.name)});
    if (panels.empty()) return {};
    pictures.push_back({.pages = {{tensor::encode_png(scatter_figure(panels, run.real, window_of(run))), "samples"}},
                        .caption = "Samples of the methods that are complete, equal axes.",
                        .name = "samples",
                        .wide = true,
                        .paper = Paper::drawing});
  } else {
    const size_t allowed = sheet_bytes / std::max<size_t>(run.methods.size(), 1);
    for (const MethodRun& method : run.methods)
      if (method.samples.defined() && method.samples.numel() > 0)
        pictures.push_back({.pages = sheets(method.samples, allowed),
                            .caption = fmt::format("{}: the first of {} samples, not selected.",
                                                   method_title(method.name), method.sample_count),
                            .name = method_title(method.name) + " samples"});
  }
  return wall_of(pictures);
}

std::string clock_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

std::string age_of_news(const fs::path& folder) {
  const auto news = time_of(folder / "metrics.jsonl");
  if (news == fs::file_time_type::min()) return "nothing is recorded yet";
  const double age = std::chrono::duration<double>(fs::file_time_type::clock::now() - news).count();
  return fmt::format("the newest record is {:.0f} s old", std::max(age, 0.0));
}

}  // namespace

LivePage::LivePage(fs::path run_folder) : folder_(std::move(run_folder)) {
  if (!fs::is_directory(folder_))
    fail(Exit::missing, "'{}' is not there: watch RUN takes the folder of a run, as --out names it or runs/NAME",
         folder_.string());
  const fs::path whole = fs::absolute(folder_).lexically_normal();
  name_ = (whole.has_filename() ? whole : whole.parent_path()).filename().string();  // also of "runs/x/"
}

fs::path LivePage::file() const { return folder_ / "live.html"; }

std::string LivePage::body(const RunData& run, bool ended) {
  std::string text = "<h1>" + escape(name_) + "</h1>\n";
  text +=
      ended ? "<p>The run has ended: <a href=\"report.html\">its report</a>.</p>\n"
            : fmt::format("<p class=\"note\" role=\"status\">Read at {}; {}.</p>\n", clock_now(), age_of_news(folder_));
  if (run.config.empty()) return text + note("The run has not begun: it has no config.yaml yet.");
  if (ended) text += section("Results", metrics_table(run));
  text += section("Progress", progress_table(parts_of(run)));
  std::string samples;
  for (const MethodRun& method : run.methods)
    if (method.samples.defined())
      samples += fmt::format("{} {} ", method.name, time_of(method.folder / "samples.npz").time_since_epoch().count());
  if (samples != pictured_) {
    pictures_ = sample_pictures(run);
    pictured_ = samples;
  }
  text += section("Samples", pictures_ + training_grids(folder_));
  text += section("Training", training_curves(run));
  return text + section("Along the chains", chain_curves(run));
}

bool LivePage::update(int reload_s) {
  bool ended = has_ended(folder_);
  std::string text;
  try {
    text = body(ended ? read_run(folder_) : read_growing_run(folder_), ended);
  } catch (const std::exception& error) {
    if (ended) throw;
    log::debug("{}", error.what());  // it is being replaced, or it is damaged: the run's own end tells
    return false;
  }
  write_file(file(), page(name_ + (ended ? "" : ", live"), text, ended ? 0 : reload_s));
  return ended;
}

bool watch_run(LivePage& page, double every_s, const std::function<bool()>& stop) {
  const int reload_s = std::max(1, static_cast<int>(std::ceil(every_s)));
  for (;;) {
    const Stopwatch watch;
    if (page.update(reload_s)) return true;
    const double pause = std::max(every_s, 9 * watch.seconds());
    for (const Stopwatch waiting; waiting.seconds() < pause;) {
      if (stop()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

}  // namespace ddls::report
