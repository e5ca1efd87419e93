#include "report/image_figures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "report/canvas.hpp"
#include "tensor/image_io.hpp"

namespace ddls::report {
namespace {

// How often a pixel is repeated so that an image is at least `wanted` pixels high.
int64_t magnification(const at::Tensor& images, int64_t wanted) {
  return std::max<int64_t>(1, (wanted + images.size(-2) - 1) / images.size(-2));
}

// Indices of about `wanted` records, evenly spread, the first and the last among them.
std::vector<int64_t> spread(int64_t records, int64_t wanted) {
  std::set<int64_t> chosen;
  for (int64_t i = 0; i < wanted; ++i) chosen.insert(wanted == 1 ? 0 : i * (records - 1) / (wanted - 1));
  return {chosen.begin(), chosen.end()};
}

struct Cells {
  double width, height, gap = 3;

  explicit Cells(const at::Tensor& images) {
    const auto factor = static_cast<double>(magnification(images, 48));
    width = factor * static_cast<double>(images.size(-1));
    height = factor * static_cast<double>(images.size(-2));
  }
  Box place(double x, double y, int64_t column, double row) const {
    return {x + static_cast<double>(column) * (width + gap), y + row * (height + gap), width, height};
  }
};

}  // namespace

at::Tensor grid_figure(const at::Tensor& images, int64_t rows, int64_t columns) {
  const at::Tensor shown = images.slice(0, 0, rows * columns);
  const int64_t factor = magnification(shown, 56);
  return tensor::image_grid(shown.repeat_interleave(factor, 2).repeat_interleave(factor, 3), columns, 3);
}

at::Tensor strip_figure(const Trajectories& trajectories, int64_t chains_at_most) {
  const at::Tensor& images = trajectories.samples;
  const int64_t chains = std::min(images.size(1), chains_at_most);
  const std::vector<int64_t> records = spread(images.size(0), 10);
  const Cells cells(images);
  constexpr double left = 64, top = 24;
  const auto columns = static_cast<int64_t>(records.size());
  Canvas canvas(left + static_cast<double>(columns) * (cells.width + cells.gap),
                top + static_cast<double>(chains) * (cells.height + cells.gap), 1);
  canvas.text("step", {4, 16}, 12);
  for (int64_t chain = 0; chain < chains; ++chain) {
    const Box first = cells.place(left, top, 0, static_cast<double>(chain));
    canvas.text("chain " + std::to_string(chain), {4, first.y + cells.height / 2 + 4}, 11);
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t record = records[static_cast<size_t>(column)];
      canvas.image(images[record][chain], cells.place(left, top, column, static_cast<double>(chain)));
    }
  }
  for (int64_t column = 0; column < columns; ++column) {
    const Box box = cells.place(left, top, column, 0);
    const int64_t step = trajectories.steps[static_cast<size_t>(records[static_cast<size_t>(column)])];
    canvas.text(std::to_string(step), {box.x + cells.width / 2, 16}, 12, Align::centre);
  }
  return canvas.pixels();
}

at::Tensor neighbours_figure(const NearestImages& neighbours) {
  const Cells cells(neighbours.samples);
  constexpr double top = 24, between = 14;
  const int64_t count = neighbours.samples.size(0);
  const double pixels_left = cells.width + cells.gap + between,
               features_left = pixels_left +
                               static_cast<double>(neighbours.by_pixels.size(1)) * (cells.width + cells.gap) + between;
  Canvas canvas(features_left + static_cast<double>(neighbours.by_features.size(1)) * (cells.width + cells.gap),
                top + static_cast<double>(count) * (cells.height + cells.gap), 1);
  canvas.text("sample", {0, 16}, 12);
  canvas.text("nearest by pixels", {pixels_left, 16}, 12);
  canvas.text("nearest by features", {features_left, 16}, 12);
  const auto draw = [&](const at::Tensor& images, double left, int64_t row) {  // [k, C, H, W]
    for (int64_t column = 0; column < images.size(0); ++column)
      canvas.image(images[column], cells.place(left, top, column, static_cast<double>(row)));
  };
  for (int64_t row = 0; row < count; ++row) {
    draw(neighbours.samples.narrow(0, row, 1), 0, row);
    draw(neighbours.by_pixels[row], pixels_left, row);
    draw(neighbours.by_features[row], features_left, row);
  }
  return canvas.pixels();
}

at::Tensor pairs_figure(const std::vector<PairRow>& rows, int64_t columns, int64_t bands) {
  const Cells cells(rows.front().images);
  constexpr double left = 92, between = 12;
  const auto lines = static_cast<double>(rows.size());
  int64_t chains = rows.front().images.size(0);
  for (const PairRow& row : rows) chains = std::min(chains, row.images.size(0));
  columns = std::min(columns, chains);
  bands = std::min(bands, (chains + columns - 1) / columns);
  const double band_height = lines * (cells.height + cells.gap) + between;
  Canvas canvas(left + static_cast<double>(columns) * (cells.width + cells.gap),
                static_cast<double>(bands) * band_height, 1);
  for (int64_t band = 0; band < bands; ++band) {
    for (size_t line = 0; line < rows.size(); ++line) {
      const double y = static_cast<double>(band) * band_height;
      const Box first = cells.place(left, y, 0, static_cast<double>(line));
      canvas.text(rows[line].title, {4, first.y + cells.height / 2 + 4}, 12);
      for (int64_t column = 0; column < columns && band * columns + column < chains; ++column) {
        canvas.image(rows[line].images[band * columns + column],
                     cells.place(left, y, column, static_cast<double>(line)));
      }
    }
  }
  return canvas.pixels();
}

}  // namespace ddls::report
