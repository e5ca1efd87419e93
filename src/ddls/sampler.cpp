#include "ddls/sampler.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "ddls/block_writer.hpp"

namespace ddls::sampling {
namespace {

constexpr const char* recorder_prefix = "recorder.";
constexpr const char* extra_prefix = "extra.";

// All that decides how a block goes on.
tensor::NamedTensors state_of(const Chains& chains, const Recorder& recorder, int64_t step, int64_t restarts) {
  tensor::NamedTensors state{{"z", chains.z},
                             {"log_prior", chains.now.log_prior},
                             {"log_ratio", chains.now.log_ratio},
                             {"grad_log_ratio", chains.now.grad_log_ratio},
                             {"progress", at::tensor({step, restarts}, at::kLong)}};
  for (const auto& [name, value] : chains.extra) state[extra_prefix + name] = value;
  for (auto& [name, value] : state) value = value.cpu().contiguous();
  for (const auto& [name, value] : recorder.save()) state[recorder_prefix + name] = value;
  return state;
}

// The part of `state` whose names start with `prefix`, without it.
tensor::NamedTensors part_of(const tensor::NamedTensors& state, const std::string& prefix) {
  tensor::NamedTensors part;
  for (const auto& [name, value] : state)
    if (name.starts_with(prefix)) part[name.substr(prefix.size())] = value;
  return part;
}

Chains chains_of(const tensor::NamedTensors& state, const Block& block, const Target& target) {
  const auto to = [&](const char* name) { return state.at(name).to(target.device); };
  Chains chains{.ids = block.padded, .z = to("z"), .now = {to("log_prior"), to("log_ratio"), to("grad_log_ratio")}};
  if (target.labels_of) chains.labels = target.labels_of(block.padded).to(target.device);
  for (const auto& [name, value] : part_of(state, extra_prefix)) chains.extra[name] = value.to(target.device);
  return chains;
}

at::Tensor lost_chains(const Chains& chains) {
  at::Tensor finite = at::isfinite(chains.z)
                          .all(1)
                          .logical_and(at::isfinite(chains.now.log_ratio))
                          .logical_and(at::isfinite(chains.now.log_prior))
                          .logical_and(at::isfinite(chains.now.grad_log_ratio).all(1));
  for (const auto& [name, value] : chains.extra)
    if (value.is_floating_point()) finite = finite.logical_and(at::isfinite(value).reshape({value.size(0), -1}).all(1));
  return finite.logical_not();
}

// Lost chains start anew at the prior draw of (id, step). Returns their rows.
std::vector<int64_t> restart_lost(Chains& chains, int64_t step, const Method& method, const Target& target,
                                  const tensor::Noise& noise) {
  const at::Tensor lost = lost_chains(chains);
  if (!lost.any().item<bool>()) return {};
  const Chains fresh = start(method, chains.ids, target, noise, step);
  move_where(lost, fresh.z, fresh.now, chains);
  for (auto& [name, value] : chains.extra) {
    std::vector<int64_t> rows(static_cast<size_t>(value.dim()), 1);
    rows[0] = -1;
    value = at::where(lost.view(rows), fresh.extra.at(name), value);
  }
  const at::Tensor rows = lost.nonzero().flatten().cpu();
  return {rows.data_ptr<int64_t>(), rows.data_ptr<int64_t>() + rows.numel()};
}

// run_block, whose result is still on the target's device.
std::optional<BlockResult> run_chains(const Method& method, const Target& target, const tensor::Noise& noise,
                                      const Block& block, const RecordPlan& plan,
                                      const std::function<void(int64_t step)>& after_step,
                                      const BlockSurvival& survival) {
  Recorder recorder(method, target, block, plan);
  Chains chains;
  int64_t step = 0, restarts = 0;

  // Chains of the padding count for nothing.
  const auto handle_lost = [&](int64_t now) {
    std::vector<int64_t> ids = restart_lost(chains, now, method, target, noise);
    for (int64_t& row : ids) row += block.ids.begin;
    std::erase_if(ids, [&](int64_t id) { return id >= block.ids.end; });
    const auto counted = static_cast<int64_t>(ids.size());
    constexpr int64_t named = 8;
    if (counted > 0)
      log::warning("{}: {} chains left the finite numbers at step {} and start anew from the prior: {}{}", method.name,
                   counted, now, fmt::join(ids.begin(), ids.begin() + std::min(named, counted), ", "),
                   counted > named ? ", ..." : "");
    restarts += counted;
    if (restarts > block.ids.size())
      fail(Exit::config,
           "{}: chains of block {} left the finite numbers {} times in {} steps (chains: {}): the step size is too "
           "large, or the networks give values that are not finite",
           method.name, block.index, restarts, now, block.ids.size());
    return counted;
  };

  if (survival.resume) {
    chains = chains_of(*survival.resume, block, target);
    recorder.load(part_of(*survival.resume, recorder_prefix));
    step = survival.resume->at("progress")[0].item<int64_t>();
    restarts = survival.resume->at("progress")[1].item<int64_t>();
  } else {
    chains = start(method, block.padded, target, noise);
    if (lost_chains(chains).narrow(0, 0, block.ids.size()).any().item<bool>())
      fail(Exit::data, "{}: the networks give values that are not finite for prior draws of block {}", method.name,
           block.index);
    recorder.observe_start(chains);
  }

  // To look for lost chains is to wait for a GPU; there it is done where it waits anyway, and every few steps.
  const auto looks = [&](int64_t now) {
    constexpr int64_t few = 8;
    return target.device.is_cpu() || now % few == 0 || now == method.steps || recorder.looks_at(now);
  };
  while (step < method.steps) {
    const at::Tensor before = chains.z;
    method.advance(chains, step++);
    recorder.observe(chains, step, before, looks(step) ? handle_lost(step) : 0);
    if (after_step) after_step(step);
    if (survival.every <= 0 || step == method.steps) continue;
    const bool stopping = survival.stop && survival.stop();
    if (stopping || step % survival.every == 0) survival.save(state_of(chains, recorder, step, restarts));
    if (stopping) return std::nullopt;
  }
  return recorder.result(chains);
}

}  // namespace

std::optional<BlockResult> run_block(const Method& method, const Target& target, const tensor::Noise& noise,
                                     const Block& block, const RecordPlan& plan,
                                     const std::function<void(int64_t step)>& after_step,
                                     const BlockSurvival& survival) {
  std::optional<BlockResult> result = run_chains(method, target, noise, block, plan, after_step, survival);
  if (result)
    for (at::Tensor* part : {&result->latents, &result->samples, &result->labels})
      if (part->defined()) *part = part->cpu();
  return result;
}

bool run_blocks(const Method& method, const Target& target, const tensor::Noise& noise, std::span<const Block> mine,
                const RecordPlan& plan, SampleStore& store, const SamplerProgress& progress,
                const std::function<bool()>& stop, int64_t checkpoint_every) {
  BlockWriter writer(store);
  const auto end = [&](bool complete) {
    writer.finish();
    return complete;
  };
  int64_t done = 0;
  for (const Block& block : mine) {
    if (stop()) return end(false);
    if (!store.has(block)) {
      BlockSurvival survival;
      if (checkpoint_every > 0)
        survival = {checkpoint_every, [&](const tensor::NamedTensors& state) { store.write_state(block, state); },
                    store.read_state(block), stop};
      const auto after_step = [&](int64_t step) {
        writer.check();  // a full disk is not kept to itself until the block's end
        progress(done, step);
      };
      std::optional<BlockResult> result = run_chains(method, target, noise, block, plan, after_step, survival);
      if (!result) return end(false);
      writer.write(block, std::move(*result));
    }
    progress(++done, 0);
  }
  return end(true);
}

}  // namespace ddls::sampling
