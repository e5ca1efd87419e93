#include "train/energy_ratios.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/progress.hpp"
#include "base/stop_signal.hpp"
#include "data/loader.hpp"
#include "dist/failure.hpp"
#include "tensor/noise.hpp"

namespace ddls {
namespace {

// Blocks between two looks for a signal, and between two meetings of the ranks.
constexpr int64_t blocks_per_round = 8;

using BlockRatios = std::function<at::Tensor(const Block& block)>;  // [block_size, columns] float64

// [count, columns] on rank 0, undefined on the others. `what` begins messages.
at::Tensor by_all_ranks(int64_t count, int64_t columns, const BlockRatios& of_block, const char* what,
                        Communicator& comm) {
  const BlockPlan plan{count, energy_block};
  const std::vector<Block> mine = plan.blocks_of(comm.rank(), comm.ranks());
  const auto own = static_cast<int64_t>(mine.size());
  const int64_t most = (plan.blocks() + comm.ranks() - 1) / comm.ranks();
  std::vector<at::Tensor> rows{at::empty({0, columns}, at::kDouble)};
  Progress progress(what, count, 0, comm.root());
  for (int64_t begin = 0; begin < most; begin += blocks_per_round) {
    if (comm.any(stop_signal::requested()))
      all_fail(Exit::stopped, "{}: stopped by a signal; what the energy is worth is measured anew", what);
    comm.together([&] {
      at::NoGradGuard no_grad;
      for (int64_t i = begin; i < std::min(begin + blocks_per_round, own); ++i) {
        const Block& block = mine[static_cast<size_t>(i)];
        rows.push_back(of_block(block).narrow(0, 0, block.ids.size()).to(at::kCPU, at::kDouble));
      }
    });
    progress.update(std::min(count, (begin + blocks_per_round) * energy_block * comm.ranks()));
  }
  progress.finish();
  return comm.gather_rows(at::cat(rows)).value_or(at::Tensor());
}

bool same_classes(const Dataset& a, const Dataset& b) {
  return a.class_names == b.class_names && a.classes() > 0 && a.classes() <= b.classes();
}

}  // namespace

at::Tensor energy_latents(const Target& target, uint64_t seed, IdRange ids) {
  return Noise{seed}.normal(ids, target.latent_dim, 0, Stream::worth, target.device);
}

LogRatios prior_log_ratios(const Target& target, int64_t draws, uint64_t seed, Communicator& comm) {
  const auto of_block = [&](const Block& block) {
    const at::Tensor w = energy_latents(target, seed, block.padded);
    return target.log_ratio(w, target.labels_at(block.padded)).detach().unsqueeze(1);
  };
  const at::Tensor values = by_all_ranks(draws, 1, of_block, "energy", comm);
  if (!comm.root()) return {};
  LogRatios pool{values.squeeze(1)};
  if (target.labels_of) pool.groups = target.labels_of({0, draws}).to(at::kLong);
  return pool;
}

JudgingReals judging_reals(const Config& config, const Dataset& held_out, const Dataset& test, const Dataset& train,
                           int64_t most) {
  JudgingReals reals;
  const bool conditional = config.model.classes > 0;
  const auto usable = [&](const Dataset& set) {
    return set.size() > 0 && set.shape() == train.shape() && (!conditional || same_classes(set, train));
  };
  if (held_out.size() > 1) {
    const std::string& method = config.train.calibration.method;
    const bool chosen = method == "tilt" || method == "temperature";  // on the third quarter
    const int64_t fitted = held_out.size() / 2 + (chosen ? held_out.size() / 4 : 0);
    reals = {&held_out, fitted, held_out.size() - fitted};
  } else if (usable(test)) {
    reals = {&test, 0, test.size()};
  } else if (train.size() > 0) {
    reals = {&train, 0, train.size()};
    reals.seen = true;
  }
  reals.count = std::min(reals.count, most);
  reals.as_trained = config.train.ratio.steps == 0;
  return reals;
}

LogRatios real_log_ratios(const Target& target, const JudgingReals& reals, const Config& config, Communicator& comm) {
  const bool conditional = config.model.classes > 0;
  const RatioConfig& ratio = config.train.ratio;
  const Augment augment = reals.as_trained ? loader_options(config.data, config.seed).augment : Augment{};
  const Noise noise{config.seed};
  std::optional<Loader> loader;
  comm.together([&] {
    loader.emplace(*reals.data, config.seed, reals.data->size(), std::vector<IdRange>{}, LoaderOptions{augment});
  });
  const auto of_block = [&](const Block& block) {
    const IdRange positions{reals.first + block.padded.begin, reals.first + block.padded.end};
    const LoadedBatch batch = loader->batch(positions.begin, positions.size());
    at::Tensor x = batch.input.to(target.device);
    if (ratio.noise_reals)  // as the ratio met them
      x = x + noise.normal(positions, x[0].numel(), 1, Stream::calibration, x.device()).view(x.sizes()) *
                  ratio.output_noise;
    const at::Tensor labels = conditional ? batch.labels.to(target.device) : at::Tensor();
    const at::Tensor r = target.score_by(x, labels).detach().to(at::kDouble).cpu();
    return at::stack({r, conditional ? batch.labels.to(at::kDouble) : at::zeros_like(r)}, 1);
  };
  const at::Tensor rows = by_all_ranks(reals.count, 2, of_block, "energy, reals", comm);
  if (!comm.root()) return {};
  LogRatios real{rows.select(1, 0).contiguous()};
  if (conditional) real.groups = rows.select(1, 1).to(at::kLong);
  return real;
}

}  // namespace ddls
