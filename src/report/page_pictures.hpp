#pragma once
// What the page shows of a run's pictures: fewer or smaller ones than the files in the run's folder, so that a page
// stays below 5 MB whatever the run holds. Sizes are bytes of PNG; images are uint8.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/figures.hpp"
#include "report/point_figures.hpp"
#include "report/run_data.hpp"

namespace ddls::report {

// Of the whole page; what stands once for each method shares its part.
inline constexpr size_t sheet_bytes = 1'700'000, pair_bytes = 400'000, moving_bytes = 600'000,
                        neighbour_bytes = 250'000, path_bytes = 450'000;

// Images of more than 64 pixels, made smaller by a whole number.
at::Tensor page_size(const at::Tensor& images);  // [.., C, H, W]

// draw(k) with the largest k of 1 to `most` that was found to need no more than `allowed` bytes; k = 1 always passes.
std::string within(size_t allowed, int64_t most, const std::function<at::Tensor(int64_t)>& draw);

// Pages of up to 10 x 10 images, as many as `allowed` has room for; the first is always there.
std::vector<PageOfFigure> sheets(const at::Tensor& images, size_t allowed);

// The chains of a method at up to 12 of its steps, of snapshots or else of trajectories; nothing where there are no two
// steps. Points: `real` and `window` as for the other figures.
std::optional<Picture> moving_picture(const MethodRun& method, bool points, const at::Tensor& real,
                                      const Window& window, size_t allowed);

// JSON for downloads: the points of panels (those within the window), and the paths of panels (at most 2000 rows each).
std::string points_data(const std::vector<PointPanel>& panels, const Window& window);
std::string paths_data(const std::vector<PathPanel>& panels);

}  // namespace ddls::report
