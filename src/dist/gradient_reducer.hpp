#pragma once
// Sums gradients over ranks. Two ways with one use:
//   reducer.begin();                       zeroes the flat gradient (the only legal way)
//   for each of my shards: loss.backward(); reducer.add_shard(last);
//   reducer.finish();                      gradient = mean over all shards of all ranks
//
// overlapped  buckets (slices of the flat gradient, in reverse parameter order) leave from autograd hooks during the
//             last backward; the result depends on the rank count by rounding.
// exact       each shard's gradient is rounded to a fixed grid (2^-40) and summed in float64, where such sums are exact
//             (while |g| < 2^11 and the sum over shards < 2^13): the result is the same bits for every rank count and
//             order. Larger values are still summed, only not repeatably; NaN and infinity reach all ranks.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dist/communicator.hpp"
#include "tensor/flat_parameters.hpp"

namespace ddls::dist {

struct ReducerOptions {
  bool exact = true;
  int64_t bucket_bytes = 25 << 20, first_bucket_bytes = 1 << 20;  // overlapped
};

class GradientReducer {
 public:
  // `parameters` and `comm` must outlive it. **Collective** (checks that all ranks have the same parameters).
  GradientReducer(tensor::FlatParameters& parameters, Communicator& comm, ReducerOptions options = {});
  ~GradientReducer();  // removes the hooks; does not communicate
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  void begin();
  void arm();        // overlapped: the next backward is this rank's last of the step; hooks send buckets
  void add_shard();  // after each backward
  // Extra scalars (losses, ...) that ride along: summed over all add_scalars calls of all ranks, read after finish().
  // [n] float64, on the gradient's device, so that nobody has to wait for them; n at most 29 and the same in every call
  // of a step. In exact mode they are rounded to the grid too.
  void add_scalars(const at::Tensor& values);
  // **Collective.** `total_shards`: shards of all ranks; the gradient becomes the sum divided by it. A rank without a
  // shard still calls begin and finish. Throws Error(internal) naming a parameter that fired twice while armed.
  void finish(int64_t total_shards);
  // Sums over ranks. Throws Error(internal) if the ranks added another number of shards than finish() was told.
  const std::vector<double>& scalars() const;
  // Names of parameters that got no gradient from any backward since begin() on this rank.
  std::vector<std::string> without_gradient() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls::dist
