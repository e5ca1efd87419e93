#include "report/figures.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/files.hpp"
#include "report/image_figures.hpp"
#include "report/page_pictures.hpp"
#include "report/point_figures.hpp"
#include "report/svg_axis.hpp"
#include "tensor/image_io.hpp"

namespace ddls::report {
namespace {

std::string keep(const fs::path& file, const at::Tensor& image) {
  std::string png = tensor::encode_png(image);
  make_folder(file.parent_path());
  write_file(file, png);
  return png;
}

bool some(const at::Tensor& samples) { return samples.defined() && samples.numel() > 0; }

std::string path_caption(const MethodRun& method) {
  const Trajectories& t = *method.trajectories;
  return fmt::format(
      "{}: the paths of {} chains in data space, steps {} to {}, over the density of the real data. Ring: start, disc: "
      "end.",
      method_title(method.name), t.samples.size(1), t.steps.front(), t.steps.back());
}

bool has_path(const MethodRun& method) { return method.trajectories && method.trajectories->samples.size(0) > 1; }

size_t share(size_t bytes, size_t users) { return bytes / std::max<size_t>(users, 1); }

// The page has one part for the paths of all methods: those beyond it are in the run's folder alone.
bool has_room(const std::vector<Picture>& pictures, size_t more, size_t allowed) {
  for (const Picture& picture : pictures)
    for (const PageOfFigure& page : picture.pages) more += page.png.size();
  return more <= allowed;
}

void draw_moving(const RunData& run, bool points, const Window& window, Pictures& pictures) {
  const auto users = std::count_if(run.methods.begin(), run.methods.end(), [](const MethodRun& method) {
    return method.snapshot_files.size() > 1 || has_path(method);
  });
  for (const MethodRun& method : run.methods) {
    if (auto moving = moving_picture(method, points, run.real, window, share(moving_bytes, static_cast<size_t>(users))))
      pictures.moving.push_back(std::move(*moving));
  }
}

void draw_sweep(const RunData& run, const Window& window, Pictures& pictures) {
  std::vector<PathPanel> sweep;
  for (const SweepRun& one : run.sweep) {
    if (some(one.samples)) sweep.push_back({"step size " + short_number(one.step_size), one.samples});
  }
  if (sweep.empty()) return;
  const std::string png = keep(run.folder / "samples" / "sweep.png", path_figure(sweep, run.real, window));
  pictures.paths.push_back(
      {.pages = {{png, "sweep"}},
       .caption = "The same chains under different step sizes of the Langevin dynamics. Ring: start, disc: end.",
       .name = "step sizes",
       .wide = true,
       .paper = Paper::drawing,
       .data = paths_data(sweep)});
}

void draw_points(const RunData& run, Pictures& pictures) {
  const Window window = window_of(run);
  std::vector<PointPanel> panels;
  if (some(run.real)) panels.push_back({"real data", run.real, {}});
  for (const MethodRun& method : run.methods) {
    if (!some(method.samples)) continue;
    const PointPanel panel{method_title(method.name), method.samples, style_of_method(method.name)};
    // A panel of the comparison on the page; a file of its own for the folder.
    keep(method.folder / "grid.png", scatter_figure({panel}, run.real, window));
    panels.push_back(panel);
  }
  if (!panels.empty()) {
    const std::string png = keep(run.folder / "samples" / "comparison.png", scatter_figure(panels, run.real, window));
    pictures.samples.push_back({.pages = {{png, "comparison"}},
                                .caption = "Samples of every method over the real data (grey), equal axes.",
                                .name = "samples of every method",
                                .wide = true,
                                .paper = Paper::drawing,
                                .data = points_data(panels, window)});
  }
  for (const MethodRun& method : run.methods) {
    if (!has_path(method)) continue;
    const PathPanel panel{method_title(method.name), method.trajectories->samples, method.trajectories->steps};
    const std::string png = keep(method.folder / "trajectory.png", path_figure({panel}, run.real, window));
    if (!has_room(pictures.paths, png.size(), 2 * path_bytes)) continue;
    pictures.paths.push_back({.pages = {{png, "paths"}},
                              .caption = path_caption(method),
                              .name = panel.title + " paths",
                              .paper = Paper::drawing,
                              .data = paths_data({panel})});
  }
  draw_sweep(run, window, pictures);
  draw_moving(run, true, window, pictures);
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

void draw_pairs(const RunData& run, Pictures& pictures) {
  constexpr int64_t columns = 14, bands = 3;
  std::vector<PairRow> rows = pair_rows(run);
  if (rows.size() < 2) return;
  keep(run.folder / "samples" / "pairs.png", pairs_figure(rows, columns, bands));
  for (PairRow& row : rows) row.images = page_size(row.images.slice(0, 0, columns * bands));
  const std::string png = within(pair_bytes, columns * bands, [&](int64_t most) {
    return pairs_figure(rows, std::min(most, columns), (most + columns - 1) / columns);
  });
  pictures.samples.push_back(
      {.pages = {{png, "pairs"}},
       .caption =
           "Before and after: a column of a band is one chain. It starts at the latent vector of the generator's "
           "image, or, where the method draws from a pool (sample.start_pool, or a pool of its own), at a draw of that.",
       .name = "before and after",
       .wide = true});
}

void draw_neighbours(const MethodRun& method, size_t allowed, Pictures& pictures) {
  const NearestImages& all = *method.neighbours;
  keep(method.folder / "neighbours.png", neighbours_figure(all));
  const NearestImages small{page_size(all.samples), page_size(all.by_pixels), page_size(all.by_features)};
  int64_t shown = 0;
  const std::string png = within(allowed, small.samples.size(0), [&](int64_t most) {
    shown = most;
    return neighbours_figure(
        {small.samples.slice(0, 0, most), small.by_pixels.slice(0, 0, most), small.by_features.slice(0, 0, most)});
  });
  pictures.neighbours.push_back(
      {.pages = {{png, "neighbours"}},
       .caption =
           fmt::format("{}: the first {} samples, each with the training images nearest to it, the nearest first.",
                       method_title(method.name), shown),
       .name = method_title(method.name) + " nearest training images"});
}

void draw_strip(const MethodRun& method, size_t allowed, Pictures& pictures) {
  keep(method.folder / "trajectory.png", strip_figure(*method.trajectories));
  Trajectories small = *method.trajectories;
  small.samples = page_size(small.samples);
  const std::string png = within(allowed, std::min<int64_t>(12, small.samples.size(1)),
                                 [&](int64_t most) { return strip_figure(small, most); });
  pictures.paths.push_back(
      {.pages = {{png, "steps"}},
       .caption = fmt::format("{}: what the chains look like on their way. Every row is one chain, every column a step "
                              "(written above); chains not selected.",
                              method_title(method.name)),
       .name = method_title(method.name) + " chains"});
}

void draw_images(const RunData& run, Pictures& pictures) {
  const size_t methods = run.methods.size();
  const size_t sheet = share(sheet_bytes, methods + 1);
  draw_pairs(run, pictures);
  if (some(run.real)) {
    keep(run.folder / "samples" / "real.png", grid_figure(run.real));
    pictures.samples.push_back({.pages = sheets(run.real, sheet), .caption = "Real data.", .name = "real data"});
  }
  for (const MethodRun& method : run.methods) {
    if (some(method.samples)) {
      keep(method.folder / "grid.png", grid_figure(method.samples));
      pictures.samples.push_back({.pages = sheets(method.samples, sheet),
                                  .caption = fmt::format("{}: the first of {} samples, not selected.",
                                                         method_title(method.name), method.sample_count),
                                  .name = method_title(method.name) + " samples"});
    }
    if (method.neighbours && some(method.neighbours->samples))
      draw_neighbours(method, share(neighbour_bytes, methods), pictures);
    if (has_path(method)) draw_strip(method, share(path_bytes, methods), pictures);
  }
  draw_moving(run, false, {}, pictures);
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

std::string wall_of(const std::vector<Picture>& pictures) {
  std::string wide, narrow;
  for (const Picture& picture : pictures) {
    if (picture.pages.empty()) continue;
    (picture.wide ? wide : narrow) +=
        picture.pages.size() > 1
            ? pages_figure(picture.pages, picture.caption, picture.name, picture.turn, picture.paper)
            : figure(picture.pages.front().png, picture.caption, picture.name, picture.paper, picture.data);
  }
  return wide + (narrow.empty() ? narrow : "<div class=\"wall\">\n" + narrow + "</div>\n");
}

}  // namespace ddls::report
