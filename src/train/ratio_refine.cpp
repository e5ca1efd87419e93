#include "train/ratio_refine.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "ddls/method.hpp"
#include "dist/failure.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/image_io.hpp"
#include "train/learner.hpp"
#include "train/training_key.hpp"

namespace ddls {
namespace {

constexpr uint64_t chain_key = 0x726566696E65ULL;  // the chains' noise is not that of the chains that are sampled later

struct Refinement {
  const TrainContext& context;
  const RefineConfig& refine;
  c10::Device device;
  ShardPlan plan;
  NetworkPtr generator, network;
  Learner learner;
  Target target;
  Noise noise;
  Method chain;
  EpochOrder order;
  at::Tensor states;  // [chains, k], the same on every rank

  Refinement(const TrainContext& c, const NetworkPtr& g, const NetworkPtr& start)
      : context(c),
        refine(c.config.train.ratio.refine),
        device(c.comm.topology().device),
        plan(plan_shards(refine.batch, c.config.train.shards, c.comm, "train.ratio.refine.batch")),
        generator(g),
        network(copy_of(start)),
        learner(network, refine.adam, refine.steps, 0, plan, c.comm),
        target(make_target(generator, network, c.config.model.latent_dim, device)),
        noise{c.config.seed ^ chain_key},
        chain(ula(UlaConfig{.steps = refine.chain_steps, .step_size = refine.step_size}, target, noise)),
        order(c.config.seed + 3, c.data.size()),
        states(noise.normal({0, refine.chains}, target.latent_dim, 0, Stream::prior).to(device)) {}

  NetworkPtr copy_of(const NetworkPtr& start) const {
    NetworkPtr copy = make_network(context.config.model, Role::ratio, sample_shape(context.data), context.config.seed);
    copy->to(device);
    load_state(*copy, state_of(*start), "ratio");
    return copy;
  }

  // Chains `ids` at this step: taken up where they were left, some of them anew from the prior.
  Chains take_up(IdRange ids, int64_t step) const {
    const at::Tensor anew = noise.uniform(ids, 1, step, Stream::refresh).to(device) < refine.refresh;
    const at::Tensor fresh = noise.normal(ids, target.latent_dim, step + 1, Stream::prior).to(device);
    Chains chains;
    chains.ids = ids;
    chains.z = at::where(anew, fresh, states.narrow(0, ids.begin, ids.size()));
    chains.now = target.evaluate(chains.z);
    return chains;
  }

  std::vector<double> step(int64_t step) {
    const int64_t first = (step * refine.batch) % refine.chains;
    at::Tensor moved = at::zeros({refine.batch, target.latent_dim}, states.options());
    const std::vector<double> watched = learner.update(step, 3, [&](IdRange shard) {
      learner.set_trainable(false);
      Chains chains = take_up({first + shard.begin, first + shard.end}, step);
      for (int64_t i = 0; i < refine.chain_steps; ++i) chain.advance(chains, step * refine.chain_steps + i);
      moved.narrow(0, shard.begin, shard.size()).copy_(chains.z);
      learner.set_trainable(true);

      const at::Tensor real =
          network_input(context.data, order.ids(step * refine.batch + shard.begin, shard.size())).to(device);
      const at::Tensor real_logits = network->forward(real);
      at::Tensor made = target.decode(chains.z);
      if (context.data.images()) made = dequantise(quantise(made));  // as the reals are
      const at::Tensor chain_logits = network->forward(made);
      const at::Tensor loss = chain_logits.mean() - real_logits.mean();
      return Learner::ShardLoss{
          loss, {loss.item<double>(), real_logits.mean().item<double>(), chain_logits.mean().item<double>()}};
    });
    // Each row comes from one rank, zeros from the others: the sum is exact.
    context.comm.all_reduce(moved);
    states.narrow(0, first, refine.batch).copy_(moved);
    return watched;
  }
};

}  // namespace

NetworkPtr refine_ratio(const TrainContext& context, const NetworkPtr& generator, const NetworkPtr& ratio) {
  const Config& config = context.config;
  Refinement r(context, generator, ratio);
  Phase phase;
  phase.name = "refine";
  phase.checkpoint_prefix = "refined";
  phase.key = fmt::format("generator: {:016x}\nratio: {:016x}\n{}", digest_of(*generator), digest_of(*ratio),
                          refine_key(config, context.data.digest()));
  phase.steps = r.refine.steps;
  phase.samples_per_step = r.refine.batch;
  phase.log_every = std::min<int64_t>(config.train.log_every, 20);
  phase.checkpoint_every = config.train.checkpoint_every;
  phase.keep_checkpoints = 1;
  phase.watched = {"loss", "real_logit", "chain_logit"};
  phase.step = [&](int64_t step) { return r.step(step); };
  phase.save = [&] {
    Checkpoint c;
    c.tensors["generator"] = state_of(*generator);
    c.tensors["ratio"] = state_of(*r.network);
    c.tensors["optimizer_ratio"] = r.learner.optimizer_state();
    c.tensors["chains"] = {{"latents", r.states.cpu()}};
    return c;
  };
  phase.restore = [&](const Checkpoint& c, const std::string& source) {
    load_state(*r.network, c.tensors.at("ratio"), source + "/ratio.safetensors");
    r.learner.load_optimizer_state(c.tensors.at("optimizer_ratio"), source + "/optimizer_ratio.safetensors");
    const at::Tensor& saved = c.tensors.at("chains").at("latents");
    if (saved.sizes() != r.states.sizes()) fail(Exit::data, "{}/chains.safetensors: not this run's chains", source);
    r.states.copy_(saved);
  };
  phase.digest = [&] { return r.learner.digest(); };
  log::info("refining the ratio on {} persistent chains", r.refine.chains);
  run_phase(phase, context.checkpoints, context.resume, context.log, context.comm);
  r.network->eval();
  return r.network;
}

}  // namespace ddls
