#pragma once
// The samples of training, in the order of training, made ready by threads of their own while the caller computes.
//
// How a trainer uses it: once, before the first step,
//     Loader loader(data, order_seed, plan.batch, plan.mine, loader_options(config.data, augment, device));
// and for shard `shard` of discriminator step `d_step`
//     const LoadedBatch real = loader.batch(d_step * plan.batch + shard.begin, shard.size());
//     real.input_on(device) ... real.labels_on(device) ... seconds_waited += real.seconds_waited;
// Since the shards of a step are known, the loader itself knows what will be asked for next, and prepares it. After a
// jump (a resumed run) it starts anew from there. What is returned depends on seed and positions alone, not on threads,
// ranks or what was asked before.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <vector>

#include "base/blocks.hpp"
#include "config/config.hpp"
#include "data/augment.hpp"
#include "data/dataset.hpp"

namespace ddls::data {

struct LoaderOptions {
  Augment augment;
  int64_t threads = 0;    // 0: `batch` does the work itself, as it does for sets in memory anyway
  int64_t lookahead = 1;  // batches ready or in work ahead of the one asked for: the bound on memory
  bool pinned = false;    // in page-locked memory, which a GPU reads while the host goes on
};
// With the augmentation of adversarial training, or with another; for batches that go to `device`.
LoaderOptions loader_options(const config::DataConfig& config, uint64_t seed, c10::Device device);
LoaderOptions loader_options(const config::DataConfig& config, const Augment& augment, c10::Device device);

struct LoadedBatch {
  at::Tensor input;           // float32 [n, C, H, W] in [-1, 1], or points [n, d]
  at::Tensor labels;          // [n] int64, undefined without
  double seconds_waited = 0;  // the caller's time spent in `batch` until everything was there

  // Nobody waits for the copy of a pinned batch; its memory is kept until it has been made.
  at::Tensor input_on(c10::Device device) const { return input.to(at::TensorOptions(device), /*non_blocking=*/true); }
  at::Tensor labels_on(c10::Device device) const { return labels.to(at::TensorOptions(device), /*non_blocking=*/true); }
};

class Loader {
 public:
  // `order_seed`: of the EpochOrder. `batch`: samples of a global step; `shards`: this rank's parts of it, in the order
  // in which they will be asked for. `data` must outlive the loader.
  Loader(const Dataset& data, uint64_t order_seed, int64_t batch, std::vector<IdRange> shards,
         const LoaderOptions& options);
  ~Loader();  // waits for the images in work

  // Samples at positions [first, first + count) of the order. Throws Error(data) for a damaged image among them
  // (data.damaged: fatal), that with the lowest position.
  LoadedBatch batch(int64_t first_position, int64_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls::data
