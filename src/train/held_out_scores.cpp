#include "train/held_out_scores.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>

#include "data/loader.hpp"
#include "dist/failure.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

constexpr int64_t block_size = 64;

// Rows of the blocks of [0, count), each computed by the rank that has it, in order on rank 0.
at::Tensor rows_of_blocks(int64_t count, const std::function<at::Tensor(const Block&)>& rows, Communicator& comm) {
  std::vector<at::Tensor> mine;
  comm.together([&] {
    at::NoGradGuard no_grad;
    for (const Block& block : BlockPlan{count, block_size}.blocks_of(comm.rank(), comm.ranks()))
      mine.push_back(rows(block).narrow(0, 0, block.ids.size()).to(at::kCPU, at::kFloat));
  });
  // A rank without a block has no rows, but must know how long they are.
  at::Tensor columns = at::full({1}, mine.empty() ? 0 : mine.front().size(1), at::kLong);
  comm.all_reduce(columns, Reduce::max);
  const at::Tensor all = mine.empty() ? at::empty({0, columns.item<int64_t>()}, at::kFloat) : at::cat(mine);
  return comm.gather_rows(all).value_or(at::Tensor());
}

}  // namespace

at::Tensor measure_reals(const HeldOutTask& task, const Measure& measure, int64_t count, Communicator& comm) {
  const Config& config = task.config;
  const c10::Device device = task.target.device;
  const Augment augment = task.as_trained ? loader_options(config.data, config.seed).augment : Augment{};
  Loader loader(task.held_out, config.seed, task.held_out.size(), {}, {augment});
  const auto noised = [&](const at::Tensor& x, IdRange ids) {  // as the ratio met them
    const RatioConfig& ratio = config.train.ratio;
    if (!ratio.noise_reals) return x;
    const at::Tensor n = Noise{config.seed}.normal(ids, x[0].numel(), 1, Stream::calibration, device).view(x.sizes());
    return x + n * ratio.output_noise;
  };
  const auto rows = [&](const Block& block) {
    const LoadedBatch batch = loader.batch(block.padded.begin, block.padded.size());
    const at::Tensor labels = config.model.classes > 0 ? batch.labels.to(device) : at::Tensor();
    return measure(noised(batch.input.to(device), block.padded), labels);
  };
  return rows_of_blocks(count, rows, comm);
}

at::Tensor measure_draws(const HeldOutTask& task, const Measure& measure, int64_t count, Communicator& comm) {
  const Config& config = task.config;
  std::optional<Loader> loader;
  if (config.model.classes > 0)
    loader.emplace(task.held_out, config.seed, task.held_out.size(), std::vector<IdRange>{}, LoaderOptions{});
  const auto rows = [&](const Block& block) {
    const at::Tensor labels =
        loader ? loader->batch(block.padded.begin, block.padded.size()).labels.to(task.target.device) : at::Tensor();
    const at::Tensor w =
        Noise{config.seed}.normal(block.padded, task.target.latent_dim, 0, Stream::calibration, task.target.device);
    return measure(task.target.decode(w, labels), labels);
  };
  return rows_of_blocks(count, rows, comm);
}

RealsAndFakes measure_held_out(const HeldOutTask& task, const Measure& measure, Communicator& comm) {
  const int64_t count = task.held_out.size();
  return {measure_reals(task, measure, count, comm), measure_draws(task, measure, count, comm)};
}

}  // namespace ddls
