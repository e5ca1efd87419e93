#include "train/held_out_scores.hpp"

#include <ATen/ATen.h>

#include <optional>

#include "data/loader.hpp"
#include "dist/failure.hpp"
#include "tensor/noise.hpp"
#include "train/block_rows.hpp"

namespace ddls::train {

at::Tensor measure_reals(const HeldOutTask& task, const Measure& measure, IdRange positions, dist::Communicator& comm) {
  const config::Config& config = task.config;
  const c10::Device device = task.target.device;
  const data::Augment augment =
      task.as_trained ? data::loader_options(config.data, config.seed, device).augment : data::Augment{};
  std::optional<data::Loader> loader;
  comm.together([&] {
    loader.emplace(task.reals, config.seed, task.reals.size(), std::vector<IdRange>{}, data::LoaderOptions{augment});
  });
  const auto noised = [&](const at::Tensor& x, IdRange ids) {  // as the ratio met them
    const config::RatioConfig& ratio = config.train.ratio;
    if (!ratio.noise_reals) return x;
    const at::Tensor n =
        tensor::Noise{config.seed}.normal(ids, x[0].numel(), 1, Stream::calibration, device).view(x.sizes());
    return x + n * ratio.output_noise;
  };
  const auto rows = [&](const Block& block) {
    const IdRange at{positions.begin + block.padded.begin, positions.begin + block.padded.end};
    const data::LoadedBatch batch = loader->batch(at.begin, at.size());
    const at::Tensor labels = config.model.classes > 0 ? batch.labels.to(device) : at::Tensor();
    return measure(noised(batch.input.to(device), at), labels);
  };
  return rows_by_all_ranks(positions.size(), rows, task.what, comm);
}

at::Tensor measure_draws(const HeldOutTask& task, const Measure& measure, int64_t count, dist::Communicator& comm) {
  const config::Config& config = task.config;
  std::optional<data::Loader> loader;
  if (config.model.classes > 0)
    comm.together([&] {
      loader.emplace(task.reals, config.seed, task.reals.size(), std::vector<IdRange>{}, data::LoaderOptions{});
    });
  const auto rows = [&](const Block& block) {
    const at::Tensor labels =
        loader ? loader->batch(block.padded.begin, block.padded.size()).labels.to(task.target.device) : at::Tensor();
    const at::Tensor w = tensor::Noise{config.seed}.normal(block.padded, task.target.latent_dim, 0, Stream::calibration,
                                                           task.target.device);
    return measure(task.target.decode(w, labels), labels);
  };
  return rows_by_all_ranks(count, rows, task.what, comm);
}

RealsAndFakes measure_held_out(const HeldOutTask& task, const Measure& measure, dist::Communicator& comm) {
  const int64_t count = task.reals.size();
  return {measure_reals(task, measure, {0, count}, comm), measure_draws(task, measure, count, comm)};
}

}  // namespace ddls::train
