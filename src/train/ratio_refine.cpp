#include "train/ratio_refine.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/purpose.hpp"
#include "data/loader.hpp"
#include "ddls/methods/ula.hpp"
#include "dist/failure.hpp"
#include "models/dropout.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "tensor/image_io.hpp"
#include "train/latents.hpp"
#include "train/learner.hpp"
#include "train/persistent_chains.hpp"
#include "train/training_key.hpp"

namespace ddls::train {
namespace {

struct Refinement {
  const TrainContext& context;
  const config::RefineConfig& refine;
  c10::Device device;
  ShardPlan plan;
  models::NetworkPtr generator, network;
  Learner learner;
  sampling::Target target;
  tensor::Noise noise;
  LatentSource source;
  sampling::UlaOptions moves;
  data::Loader loader;
  PersistentChains chains;

  Refinement(const TrainContext& c, const models::NetworkPtr& g, const models::NetworkPtr& start)
      : context(c),
        refine(c.config.train.ratio.refine),
        device(c.comm.topology().device),
        plan(plan_shards(refine.batch, c.config.train.shards, c.comm, "train.ratio.refine.batch")),
        generator(g),
        network(copy_of(start)),
        learner(network, refine.adam, refine.steps, Average{refine.ema_decay}, plan, c.comm),
        target(
            sampling::make_target([g](const at::Tensor& z, const at::Tensor& y) { return g->forward(z, y); },
                                  [r = network](const at::Tensor& x, const at::Tensor& y) { return r->forward(x, y); },
                                  c.config.model.latent_dim, device, sampling::prior_from_name(c.config.model.prior))),
        noise{derive(c.config.seed, Purpose::refine_chains)},
        source(latent_source(c.config, drawn_classes(c.config.model.classes, c.data), device)),
        moves{.steps = refine.chain_steps, .step_size = refine.step_size},
        loader(c.data, derive(c.config.seed, Pass::refine), refine.batch, plan.mine,
               data::loader_options(c.config.data, data::Augment{}, device)),
        chains(refine.chain_steps > 0 ? refine.chains : refine.batch, refine.batch, target.latent_dim, refine.refresh,
               noise, device) {
    sampling::freeze(*generator);
    sampling::freeze(*network);
  }

  models::NetworkPtr copy_of(const models::NetworkPtr& start) const {
    models::NetworkPtr copy = models::make_network(context.config.model, models::Role::ratio,
                                                   sample_shape(context.data), context.config.seed);
    copy->to(device);
    models::load_state(*copy, models::state_of(*start), "ratio");
    return copy;
  }

  models::NetworkPtr averaged() const { return learner.averaged(copy_of(network)); }

  // Samples of the model p_g e^r, in the coordinates of chains: where chains are now, after some steps; or prior draws,
  // to be weighted.
  LabelledLatents negatives(IdRange shard, int64_t step) {
    if (refine.chain_steps == 0)
      return {noise.normal(shard, target.latent_dim, step, Stream::ratio_latent, device),
              source.labels(shard, step, Stream::ratio_latent)};
    learner.set_trainable(false);
    const IdRange ids = chains.turn(shard, step);
    const at::Tensor labels = source.labels(ids, 0, Stream::prior);  // a chain keeps its label
    const at::Tensor z =
        sampling::moved_by_ula(moves, target, noise, ids, chains.take_up(ids, step), labels, step * refine.chain_steps);
    chains.put_back(ids, z);
    return {z, labels};
  }

  std::vector<double> step(int64_t step) {
    models::power_iteration(*network);
    learner.update(step, 3, [&](IdRange shard) {
      const LabelledLatents z = negatives(shard, step);
      learner.set_trainable(true);
      at::Tensor made = target.decode(z.latents, z.labels);
      if (context.data.images()) made = tensor::dequantise(tensor::quantise(made));  // as the reals are
      const data::LoadedBatch batch = loader.batch(step * refine.batch + shard.begin, shard.size());
      const at::Tensor real_labels = source.classes.conditional() ? batch.labels_on(device) : at::Tensor();
      models::key_dropout(*network, noise.seed, step, shard.begin);
      const at::Tensor real_logits = network->forward(batch.input_on(device), real_labels);
      const at::Tensor chain_logits = network->forward(made, z.labels);
      const at::Tensor model_term = refine.chain_steps == 0 ? chain_logits.exp() : chain_logits;
      at::Tensor loss = model_term.mean() - real_logits.mean();
      if (refine.penalty > 0)
        loss = loss + refine.penalty * (chain_logits.square().mean() + real_logits.square().mean());
      return Learner::ShardLoss{loss, Learner::watch({loss, real_logits.mean(), chain_logits.mean()})};
    });
    if (refine.chain_steps > 0) chains.exchange(context.comm, step);
    return learner.watched();
  }
};

}  // namespace

models::NetworkPtr refine_ratio(const TrainContext& context, const models::NetworkPtr& generator,
                                const models::NetworkPtr& ratio) {
  const config::Config& config = context.config;
  Refinement r(context, generator, ratio);
  Phase phase;
  phase.name = "refine";
  phase.checkpoint_prefix = "refined";
  phase.key = fmt::format("generator: {:016x}\nratio: {:016x}\n{}", models::digest_of(*generator),
                          models::digest_of(*ratio), refine_key(config, context.data.digest()));
  phase.steps = r.refine.steps;
  phase.samples_per_step = r.refine.batch;
  phase.log_every = std::min<int64_t>(config.train.log_every, 20);
  phase.checkpoint_every = config.train.checkpoint_every;
  phase.keep_checkpoints = 1;
  phase.watched = {"loss", "real_logit", "chain_logit"};
  phase.step = [&](int64_t step) { return r.step(step); };
  phase.save = [&] {
    Checkpoint c;
    c.tensors["generator"] = models::state_of(*generator);
    c.tensors["ratio"] = models::state_of(*r.averaged());
    c.tensors["ratio_weights"] = models::state_of(*r.network);
    c.tensors["optimizer_ratio"] = r.learner.optimizer_state();
    c.tensors["chains"] = r.chains.state();
    return c;
  };
  phase.restore = [&](const Checkpoint& c, const std::string& source) {
    models::load_state(*r.network, c.tensors.at("ratio_weights"), source + "/ratio_weights.safetensors");
    r.learner.load_optimizer_state(c.tensors.at("optimizer_ratio"), source + "/optimizer_ratio.safetensors");
    r.chains.load(c.tensors.at("chains"), source + "/chains.safetensors");
  };
  phase.digest = [&] { return r.learner.digest(); };
  if (r.refine.chain_steps > 0)
    log::info("refining the ratio on {} persistent chains", r.refine.chains);
  else
    log::info("refining the ratio on weighted prior draws");
  run_phase(phase, context.checkpoints, of_later_phase(context.resume), context.log, context.comm);
  models::NetworkPtr refined = r.averaged();
  refined->eval();
  return refined;
}

}  // namespace ddls::train
