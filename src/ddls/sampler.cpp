#include "ddls/sampler.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "tensor/image_io.hpp"

namespace ddls {
namespace {

// Steps 0, every, 2*every, ..., and the last.
std::vector<int64_t> every_nth(int64_t steps, int64_t every) {
  std::vector<int64_t> chosen;
  for (int64_t step = 0; step < steps; step += every) chosen.push_back(step);
  chosen.push_back(steps);
  return chosen;
}

bool contains(const std::vector<int64_t>& steps, int64_t step) {
  return std::binary_search(steps.begin(), steps.end(), step);
}

// As stored: images quantised once, points as they are.
at::Tensor stored(const at::Tensor& samples) {
  return (samples.dim() == 4 ? quantise(samples) : samples).cpu().contiguous();
}

// Sums over the first n chains of what happened in the steps since the last record.
struct Since {
  int64_t steps = 0;
  at::Tensor acceptance, jump2;  // float64 scalars
};

at::Tensor sum_of(const at::Tensor& per_chain, int64_t n) {
  return per_chain.narrow(0, 0, n).to(at::kDouble).cpu().sum();
}

at::Tensor column_sums(const Chains& chains, const Since& since, int64_t n) {
  const auto sum = [n](const at::Tensor& per_chain) { return sum_of(per_chain, n); };
  const auto mean = [&](const at::Tensor& total) {
    return since.steps > 0 && total.defined() ? total / static_cast<double>(since.steps) : at::zeros({}, at::kDouble);
  };
  const at::Tensor u = energy(chains.now);
  const at::Tensor gradient = energy_gradient(chains.z, chains.now);
  return at::stack({sum(u), sum(chains.now.log_ratio), sum(-chains.now.log_prior), sum(gradient.norm(2, 1)),
                    sum(chains.z.square().mean(1)), mean(since.acceptance), mean(since.jump2),
                    sum(at::isfinite(u).logical_not())});
}

}  // namespace

RecordPlan plan_records(const SampleConfig& config, int64_t steps) {
  RecordPlan plan;
  plan.records = every_nth(steps, config.record_every);
  if (config.snapshot_every > 0 && steps > 0) plan.snapshots = every_nth(steps, config.snapshot_every);
  plan.trajectories = std::min(config.trajectories, config.count);
  return plan;
}

BlockResult run_block(const Method& method, const Target& target, const Noise& noise, const Block& block,
                      const RecordPlan& plan, const std::function<void(int64_t step)>& after_step) {
  const int64_t n = block.ids.size();
  const int64_t kept = std::clamp<int64_t>(plan.trajectories - block.ids.begin, 0, n);
  std::vector<at::Tensor> curves, snapshots, path_latents, path_samples;
  Since since;

  Chains chains = start_chains(block.padded, target, noise);
  const auto record = [&](int64_t step) {
    if (contains(plan.snapshots, step)) snapshots.push_back(stored(target.decode(chains.z).narrow(0, 0, n)));
    if (!contains(plan.records, step)) return;
    curves.push_back(column_sums(chains, since, n));
    since = {};
    if (kept > 0) {
      path_latents.push_back(chains.z.narrow(0, 0, kept).cpu());
      // The whole block is decoded: a network may round differently for another batch size.
      path_samples.push_back(stored(target.decode(chains.z).narrow(0, 0, kept)));
    }
  };

  record(0);
  for (int64_t step = 0; step < method.steps; ++step) {
    const at::Tensor before = chains.z;
    method.advance(chains, step);
    const auto add = [n](at::Tensor& total, const at::Tensor& per_chain) {
      total = total.defined() ? total + sum_of(per_chain, n) : sum_of(per_chain, n);
    };
    ++since.steps;
    add(since.jump2, (chains.z - before).square().sum(1));
    if (method.metropolis) add(since.acceptance, chains.acceptance);
    record(step + 1);
    if (after_step) after_step(step + 1);
  }

  const int64_t lost = at::isfinite(chains.z).all(1).logical_not().sum().item<int64_t>();
  if (lost > 0)
    fail(Exit::config, "{}: {} of {} chains of block {} left the finite numbers: its step size is too large",
         method.name, lost, chains.z.size(0), block.index);

  BlockResult result;
  result.latents = chains.z.narrow(0, 0, n).cpu().contiguous();
  result.samples = stored(target.decode(chains.z).narrow(0, 0, n));
  const auto joined = [](const std::vector<at::Tensor>& parts, const at::Tensor& like) {
    return parts.empty() ? like.new_empty({0}) : at::stack(parts).contiguous();
  };
  result.curves = joined(curves, result.latents);
  result.snapshots = joined(snapshots, result.samples);
  result.trajectory_latents = joined(path_latents, result.latents);
  result.trajectory_samples = joined(path_samples, result.samples);
  return result;
}

bool run_blocks(const Method& method, const Target& target, const Noise& noise, std::span<const Block> mine,
                const RecordPlan& plan, SampleStore& store, const SamplerProgress& progress,
                const std::function<bool()>& stop) {
  int64_t done = 0;
  for (const Block& block : mine) {
    if (stop()) return false;
    if (!store.has(block))
      store.write(block, run_block(method, target, noise, block, plan, [&](int64_t step) { progress(done, step); }));
    progress(++done, 0);
  }
  return true;
}

}  // namespace ddls
