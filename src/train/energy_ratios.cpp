#include "train/energy_ratios.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "tensor/noise.hpp"
#include "train/block_rows.hpp"
#include "train/held_out_scores.hpp"
#include "train/quarters.hpp"

namespace ddls::train {
namespace {

bool same_classes(const data::Dataset& a, const data::Dataset& b) {
  return a.class_names == b.class_names && a.classes() > 0 && a.classes() <= b.classes();
}

}  // namespace

at::Tensor energy_latents(const sampling::Target& target, uint64_t seed, IdRange ids) {
  return tensor::Noise{seed}.normal(ids, target.latent_dim, 0, Stream::worth, target.device);
}

sampling::LogRatios prior_log_ratios(const sampling::Target& target, int64_t draws, uint64_t seed,
                                     dist::Communicator& comm) {
  const auto of_block = [&](const Block& block) {
    const at::Tensor w = energy_latents(target, seed, block.padded);
    return target.log_ratio(w, target.labels_at(block.padded)).detach().unsqueeze(1);
  };
  const at::Tensor values = rows_by_all_ranks(draws, of_block, "energy", comm);
  if (!comm.root()) return {};
  sampling::LogRatios pool{values.squeeze(1).to(at::kDouble)};
  if (target.labels_of) pool.groups = target.labels_of({0, draws}).to(at::kLong);
  return pool;
}

JudgingReals judging_reals(const config::Config& config, const data::Dataset& held_out, const data::Dataset& test,
                           const data::Dataset& train, int64_t most) {
  JudgingReals reals;
  const bool conditional = config.model.classes > 0;
  const auto usable = [&](const data::Dataset& set) {
    return set.size() > 0 && set.shape() == train.shape() && (!conditional || same_classes(set, train));
  };
  if (held_out.size() > 1) {
    const Quarters parts = quarters_of(held_out.size());
    const int64_t used = parts.fit + (config.train.calibration.by_likelihood() ? parts.choose : 0);
    reals = {&held_out, used, held_out.size() - used};
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

sampling::LogRatios real_log_ratios(const sampling::Target& target, const JudgingReals& reals,
                                    const config::Config& config, dist::Communicator& comm) {
  const Measure measure = [&](const at::Tensor& samples, const at::Tensor& labels) {
    const at::Tensor r = target.score_by(samples, labels).detach().to(at::kFloat);
    return at::stack({r, labels.defined() ? labels.to(at::kFloat) : at::zeros_like(r)}, 1);
  };
  const at::Tensor rows = measure_reals({target, *reals.data, config, reals.as_trained, "energy, reals"}, measure,
                                        {reals.first, reals.first + reals.count}, comm);
  if (!comm.root()) return {};
  sampling::LogRatios real{rows.select(1, 0).to(at::kDouble).contiguous()};
  if (config.model.classes > 0) real.groups = rows.select(1, 1).to(at::kLong);
  return real;
}

}  // namespace ddls::train
