#include "train/held_out_scores.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "data/loader.hpp"
#include "dist/failure.hpp"
#include "tensor/noise.hpp"

namespace ddls {

RealsAndFakes measure_held_out(const Measure& measure, const Target& target, const Dataset& held_out,
                               const Config& config, bool as_trained, Communicator& comm) {
  constexpr int64_t block_size = 64;
  const BlockPlan plan{held_out.size(), block_size};
  const Noise noise{config.seed};
  const Augment augment = as_trained ? loader_options(config.data, config.seed).augment : Augment{};
  std::vector<at::Tensor> real, fake;
  comm.together([&] {
    at::NoGradGuard no_grad;
    Loader loader(held_out, config.seed, held_out.size(), {}, {augment});
    const auto add = [&](const at::Tensor& samples, const at::Tensor& labels, const Block& block,
                         std::vector<at::Tensor>& to) {
      to.push_back(measure(samples, labels).narrow(0, 0, block.ids.size()).cpu());
    };
    const RatioConfig& ratio = config.train.ratio;
    const auto noised = [&](const at::Tensor& x, IdRange ids) {  // as the ratio met them
      if (!ratio.noise_reals) return x;
      const at::Tensor n = noise.normal(ids, x[0].numel(), 1, Stream::calibration, x.device()).view(x.sizes());
      return x + n * ratio.output_noise;
    };
    for (const Block& block : plan.blocks_of(comm.rank(), comm.ranks())) {
      const LoadedBatch batch = loader.batch(block.padded.begin, block.padded.size());
      const at::Tensor labels = config.model.classes > 0 ? batch.labels.to(target.device) : at::Tensor();
      const at::Tensor w = noise.normal(block.padded, target.latent_dim, 0, Stream::calibration, target.device);
      add(noised(batch.input.to(target.device), block.padded), labels, block, real);
      add(target.decode(w, labels), labels, block, fake);
    }
  });
  // A rank without a block has no rows, but must know how long they are.
  at::Tensor columns = at::full({1}, real.empty() ? 0 : real.front().size(1), at::kLong);
  comm.all_reduce(columns, Reduce::max);
  const auto gathered = [&](const std::vector<at::Tensor>& blocks) {
    const at::Tensor mine = blocks.empty() ? at::empty({0, columns.item<int64_t>()}, at::kFloat) : at::cat(blocks);
    return comm.gather_rows(mine).value_or(at::Tensor());
  };
  return {gathered(real), gathered(fake)};
}

}  // namespace ddls
