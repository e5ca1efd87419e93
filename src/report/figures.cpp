#include "report/figures.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/files.hpp"
#include "report/image_figures.hpp"
#include "report/point_figures.hpp"
#include "report/svg_axis.hpp"
#include "tensor/image_io.hpp"

namespace ddls::report {
namespace {

Picture keep(const fs::path& file, const at::Tensor& image, std::string caption, bool wide) {
  Picture picture{tensor::encode_png(image), std::move(caption), wide};
  make_folder(file.parent_path());
  write_file(file, picture.png);
  return picture;
}

bool some(const at::Tensor& samples) { return samples.defined() && samples.numel() > 0; }

std::string scatter_caption(const MethodRun& method) {
  return fmt::format("{}: {} samples over the real data (grey).", method_title(method.name), method.sample_count);
}

std::string path_caption(const MethodRun& method) {
  const Trajectories& t = *method.trajectories;
  return fmt::format(
      "{}: the paths of {} chains in data space, steps {} to {}, over the density of the real data. Ring: start, disc: "
      "end.",
      method_title(method.name), t.samples.size(1), t.steps.front(), t.steps.back());
}

void draw_points(const RunData& run, Pictures& pictures) {
  const Window window = window_of(run);
  const fs::path folder = run.folder / "samples";
  std::vector<PointPanel> panels;
  if (some(run.real)) panels.push_back({"real data", run.real, {}});
  for (const MethodRun& method : run.methods) {
    if (!some(method.samples)) continue;
    const PointPanel panel{method_title(method.name), method.samples, style_of_method(method.name)};
    // A panel of the comparison on the page; a file of its own for the folder.
    keep(method.folder / "grid.png", scatter_figure({panel}, run.real, window), scatter_caption(method), false);
    panels.push_back(panel);
  }
  if (!panels.empty()) {
    pictures.samples.push_back(keep(folder / "comparison.png", scatter_figure(panels, run.real, window),
                                    "Samples of every method over the real data (grey), equal axes.", true));
  }
  for (const MethodRun& method : run.methods) {
    if (!method.trajectories || method.trajectories->samples.size(0) < 2) continue;
    const at::Tensor figure =
        path_figure({{method_title(method.name), method.trajectories->samples}}, run.real, window);
    pictures.paths.push_back(keep(method.folder / "trajectory.png", figure, path_caption(method), false));
  }
  std::vector<PathPanel> sweep;
  for (const SweepRun& one : run.sweep) {
    if (some(one.samples)) sweep.push_back({"step size " + short_number(one.step_size), one.samples});
  }
  if (!sweep.empty()) {
    pictures.paths.push_back(
        keep(folder / "sweep.png", path_figure(sweep, run.real, window),
             "The same chains under different step sizes of the Langevin dynamics. Ring: start, disc: end.", true));
  }
}

// Chain i starts from the same latent under every method, so samples with the same number belong together.
std::vector<PairRow> pair_rows(const RunData& run) {
  std::vector<PairRow> rows;
  for (const MethodRun& method : run.methods) {
    const bool own_start = !find_method(run, "generator") && method.snapshots.size() > 1;
    if (own_start && some(method.snapshots.front().samples)) {
      rows.push_back({fmt::format("step {}", method.snapshots.front().step), method.snapshots.front().samples});
    }
    if (some(method.samples)) rows.push_back({method_title(method.name), method.samples});
  }
  return rows;
}

void draw_images(const RunData& run, Pictures& pictures) {
  const std::vector<PairRow> rows = pair_rows(run);
  if (rows.size() > 1) {
    pictures.samples.push_back(
        keep(run.folder / "samples" / "pairs.png", pairs_figure(rows),
             "Before and after: in every band, the images of one column start from the same latent vector.", true));
  }
  if (some(run.real)) {
    pictures.samples.push_back(keep(run.folder / "samples" / "real.png", grid_figure(run.real), "Real data.", false));
  }
  for (const MethodRun& method : run.methods) {
    if (some(method.samples)) {
      const std::string caption =
          fmt::format("{}: the first {} of {} samples, not selected.", method_title(method.name),
                      std::min<int64_t>(100, method.samples.size(0)), method.sample_count);
      pictures.samples.push_back(keep(method.folder / "grid.png", grid_figure(method.samples), caption, false));
    }
    if (method.neighbours && some(method.neighbours->samples)) {
      const std::string caption =
          fmt::format("{}: the first {} samples, each with the training images nearest to it, the nearest first.",
                      method_title(method.name), method.neighbours->samples.size(0));
      pictures.neighbours.push_back(
          keep(method.folder / "neighbours.png", neighbours_figure(*method.neighbours), caption, false));
    }
    if (method.trajectories && method.trajectories->samples.size(0) > 1) {
      const std::string caption = fmt::format(
          "{}: what the chains look like on their way. Every row is one chain, every column a step (written above); "
          "chains not selected.",
          method_title(method.name));
      pictures.paths.push_back(
          keep(method.folder / "trajectory.png", strip_figure(*method.trajectories), caption, false));
    }
  }
}

}  // namespace

Pictures draw_figures(const RunData& run) {
  Pictures pictures;
  if (run.points()) {
    draw_points(run, pictures);
  } else {
    draw_images(run, pictures);
  }
  if (!some(run.real))
    pictures.missing.emplace_back("No pictures of real data: the run keeps none (samples/real.npz).");
  for (const MethodRun& method : run.methods) {
    if (!some(method.samples)) {
      pictures.missing.push_back(
          fmt::format("No pictures of {}: the run keeps no samples of it (samples/{}/samples.npz).",
                      method_title(method.name), method.name));
    }
  }
  return pictures;
}

}  // namespace ddls::report
