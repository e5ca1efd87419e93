#include "report/page_pictures.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json_text.hpp"
#include "report/image_figures.hpp"
#include "tensor/image_io.hpp"

namespace ddls::report {
namespace {

constexpr int64_t page_side = 64, sheet_side = 10, most_frames = 12, moving_points = 2000;

int64_t shrunk(int64_t now, size_t allowed, size_t bytes) {
  const double share = static_cast<double>(allowed) / static_cast<double>(bytes);
  return std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(now) * share), 1, now - 1);
}

// One step of the chains.
struct Frame {
  int64_t step = 0;
  std::function<at::Tensor(int64_t rows)> draw;
};

std::vector<Frame> frames_of_snapshots(const MethodRun& method, bool points, const at::Tensor& real,
                                       const Window& window) {
  std::vector<Frame> frames;
  for (const SnapshotFile& snapshot : method.snapshot_files) {
    frames.push_back({snapshot.step, [&method, &real, &window, points, snapshot](int64_t rows) {
                        const at::Tensor some = read_first_samples(snapshot.file, points ? moving_points : 8 * rows);
                        if (!points) return grid_figure(page_size(some), rows, 8);
                        return scatter_figure(
                            {{fmt::format("step {}", snapshot.step), some, style_of_method(method.name)}}, real, window,
                            1);
                      }});
  }
  return frames;
}

std::vector<Frame> frames_of_paths(const MethodRun& method, bool points, const at::Tensor& real, const Window& window) {
  std::vector<Frame> frames;
  if (!method.trajectories) return frames;
  const Trajectories& paths = *method.trajectories;
  for (int64_t record = 0; record < paths.samples.size(0); ++record) {
    const int64_t step = paths.steps[static_cast<size_t>(record)];
    frames.push_back({step, [&paths, &real, &window, points, record, step](int64_t rows) {
                        if (!points) return grid_figure(page_size(paths.samples[record]), rows, 8);
                        return path_figure({{fmt::format("to step {}", step), paths.samples.slice(0, 0, record + 1)}},
                                           real, window, 1);
                      }});
  }
  return frames;
}

}  // namespace

at::Tensor page_size(const at::Tensor& images) {
  const int64_t factor = (std::max(images.size(-1), images.size(-2)) + page_side - 1) / page_side;
  if (factor < 2 || images.numel() == 0) return images;
  const at::Tensor flat = images.reshape({-1, images.size(-3), images.size(-2), images.size(-1)}).to(at::kFloat);
  const at::Tensor small =
      at::avg_pool2d(flat, {factor, factor}, {factor, factor}, {0, 0}, /*ceil_mode=*/true).round().to(at::kByte);
  std::vector<int64_t> sizes = images.sizes().vec();
  sizes[sizes.size() - 2] = small.size(-2);
  sizes[sizes.size() - 1] = small.size(-1);
  return small.reshape(sizes);
}

std::string within(size_t allowed, int64_t most, const std::function<at::Tensor(int64_t)>& draw) {
  for (;;) {
    std::string png = tensor::encode_png(draw(most));
    if (png.size() <= allowed || most == 1) return png;
    most = static_cast<int64_t>(shrunk(most, allowed, png.size()));
  }
}

std::vector<PageOfFigure> sheets(const at::Tensor& images, size_t allowed) {
  const at::Tensor small = page_size(images);
  int64_t rows = sheet_side;
  std::string png = within(allowed, rows, [&](int64_t fewer) {
    rows = fewer;
    return grid_figure(small, fewer, sheet_side);
  });
  const auto label = [&](int64_t begin) {
    return fmt::format("images {} to {} of {}", begin + 1, std::min(begin + rows * sheet_side, small.size(0)),
                       small.size(0));
  };
  std::vector<PageOfFigure> pages;
  size_t used = 0;
  for (int64_t begin = 0; begin < small.size(0); begin += rows * sheet_side) {
    if (begin > 0) png = tensor::encode_png(grid_figure(small.slice(0, begin), rows, sheet_side));
    used += png.size();
    if (begin > 0 && used > allowed) break;
    pages.push_back({std::move(png), label(begin)});
  }
  return pages;
}

std::optional<Picture> moving_picture(const MethodRun& method, bool points, const at::Tensor& real,
                                      const Window& window, size_t allowed) {
  std::vector<Frame> frames = frames_of_snapshots(method, points, real, window);
  const bool whole_set = frames.size() > 1;
  if (!whole_set) frames = frames_of_paths(method, points, real, window);
  if (frames.size() < 2) return std::nullopt;
  int64_t rows = 4;
  // The last frame is the largest of paths, and like the others else.
  std::string last = within(allowed / 3, rows, [&](int64_t fewer) {
    rows = fewer;
    return frames.back().draw(fewer);
  });
  const int64_t count = std::clamp<int64_t>(static_cast<int64_t>(allowed / std::max<size_t>(last.size(), 1)), 2,
                                            std::min<int64_t>(most_frames, static_cast<int64_t>(frames.size())));
  Picture picture;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i * (static_cast<int64_t>(frames.size()) - 1) / (count - 1));
    picture.pages.push_back({i + 1 == count ? std::move(last) : tensor::encode_png(frames[at].draw(rows)),
                             fmt::format("step {}", frames[at].step)});
  }
  picture.caption = fmt::format("{}: {}, from step {} to {}.", method_title(method.name),
                                points && !whole_set ? "the paths of some chains" : "the same chains, not selected",
                                frames.front().step, frames.back().step);
  picture.name = method_title(method.name) + " along the chains";
  picture.turn = Turn::slider;
  picture.paper = points ? Paper::drawing : Paper::photo;
  return picture;
}

std::string points_data(const std::vector<PointPanel>& panels, const Window& window) {
  constexpr int64_t all = 60'000, cells = 65'536;
  const int64_t most = std::min<int64_t>(10'000, all / std::max<int64_t>(1, static_cast<int64_t>(panels.size())));
  std::string sets;
  for (const PointPanel& panel : panels) {
    const at::Tensor rows = panel.points.slice(0, 0, most).to(at::kDouble).contiguous();
    const double* value = rows.data_ptr<double>();
    std::string bytes;
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const double x = std::floor((value[2 * i] - window.x0) / window.side * cells);
      const double y = std::floor((value[2 * i + 1] - window.y0) / window.side * cells);
      if (!(x >= 0 && x < cells && y >= 0 && y < cells)) continue;  // nor what is not finite
      for (const auto cell : {static_cast<unsigned>(x), static_cast<unsigned>(y)}) {
        bytes += static_cast<char>(cell & 255U);
        bytes += static_cast<char>(cell >> 8U);
      }
    }
    sets += fmt::format("{}{{\"label\":{},\"cells\":\"{}\"}}", sets.empty() ? "" : ",", json_text(Json(panel.title)),
                        base64(bytes));
  }
  return fmt::format("{{\"x0\":{},\"y0\":{},\"side\":{},\"points\":[{}]}}", window.x0, window.y0, window.side, sets);
}

std::string paths_data(const std::vector<PathPanel>& panels) {
  std::string rows;
  for (const PathPanel& panel : panels) {
    const at::Tensor paths = panel.paths.to(at::kDouble).contiguous();
    const int64_t records = paths.size(0), chains = paths.size(1), stride = 1 + records * chains / 2000;
    const auto value = paths.accessor<double, 3>();
    for (int64_t r = 0; r < records; r += stride)
      for (int64_t c = 0; c < chains; ++c) {
        if (!std::isfinite(value[r][c][0]) || !std::isfinite(value[r][c][1])) continue;
        rows +=
            fmt::format("{}[{},{},{},{:.5g},{:.5g}]", rows.empty() ? "" : ",", json_text(Json(panel.title)), c,
                        panel.steps.empty() ? r : panel.steps[static_cast<size_t>(r)], value[r][c][0], value[r][c][1]);
      }
  }
  const bool steps = !panels.empty() && !panels.front().steps.empty();
  return fmt::format("{{\"columns\":[\"panel\",\"chain\",\"{}\",\"x\",\"y\"],\"rows\":[{}]}}",
                     steps ? "step" : "record", rows);
}

}  // namespace ddls::report
