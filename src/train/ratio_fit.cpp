#include "train/ratio_fit.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/purpose.hpp"
#include "data/loader.hpp"
#include "models/dropout.hpp"
#include "models/feature_head.hpp"
#include "models/factory.hpp"
#include "models/losses.hpp"
#include "models/network.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "tensor/image_io.hpp"
#include "tensor/noise.hpp"
#include "train/latents.hpp"
#include "train/learner.hpp"
#include "train/training_key.hpp"

namespace ddls::train {
namespace {

// **Collective.** Units of a head on features: those of some reals, of rank 0.
void measure_on_reals(models::Network& network, const TrainContext& context, c10::Device device) {
  constexpr int64_t most = 512;
  const int64_t count = std::min(most, context.data.size());
  log::info("density ratio: the units of its features are measured on {} reals", count);
  data::Loader loader(context.data, derive(context.config.seed, Pass::ratio), count, {{0, count}},
                      data::loader_options(context.config.data, data::Augment{}, device));
  context.comm.together([&] { models::measure_features(network, loader.batch(0, count).input_on(device)); });
  for (const auto& buffer : network.named_buffers()) {
    at::Tensor values = buffer.value();
    if (values.is_floating_point()) context.comm.broadcast(values);
  }
}

}  // namespace

models::NetworkPtr fit_ratio(const TrainContext& context, const models::NetworkPtr& generator) {
  const config::Config& config = context.config;
  const config::RatioConfig& ratio = config.train.ratio;
  const c10::Device device = context.comm.topology().device;
  const tensor::Noise noise{config.seed};
  const LatentSource latents = latent_source(config, drawn_classes(config.model.classes, context.data), device);
  const models::SampleShape shape = sample_shape(context.data);
  const int64_t numel = c10::multiply_integers(shape);
  const ShardPlan plan = plan_shards(ratio.batch, config.train.shards, context.comm, "train.ratio.batch");
  // Another order than the adversarial phase had, and images as they are.
  data::Loader loader(context.data, derive(config.seed, Pass::ratio), ratio.batch, plan.mine,
                      data::loader_options(config.data, data::Augment{}, device));

  const auto make = [&] {
    models::NetworkPtr network = models::make_network(config.model, models::Role::ratio, shape, config.seed);
    network->to(device);
    return network;
  };
  const models::NetworkPtr start = make();
  Learner learner(start, ratio.adam, ratio.steps, Average{ratio.ema_decay}, plan, context.comm);

  const double fake_noise = ratio.output_noise > 0 ? ratio.output_noise : ratio.instance_noise;
  const double real_noise = ratio.output_noise > 0 && !ratio.noise_reals ? 0 : fake_noise;
  const auto noised = [&](const at::Tensor& samples, double noise_std, IdRange ids, int64_t step, Stream stream) {
    if (noise_std == 0) return samples;
    const at::Tensor n = noise.normal(ids, numel, step, stream, device).view(samples.sizes());
    return samples + n * noise_std;
  };

  Phase phase;
  phase.name = "ratio";
  phase.checkpoint_prefix = "ratio";
  phase.key =
      fmt::format("generator: {:016x}\n{}", models::digest_of(*generator), ratio_key(config, context.data.digest()));
  if (const std::string extractor = models::extractor_of(*start); !extractor.empty())
    phase.key += "extractor: " + extractor + "\n";
  phase.steps = ratio.steps;
  phase.samples_per_step = ratio.batch;
  phase.log_every = config.train.log_every;
  phase.checkpoint_every = config.train.checkpoint_every;
  phase.keep_checkpoints = 1;
  phase.watched = {"loss", "real_logit", "fake_logit"};
  phase.step = [&](int64_t step) {
    models::power_iteration(learner.network());
    learner.update(step, 3, [&](IdRange shard) {
      const data::LoadedBatch batch = loader.batch(step * ratio.batch + shard.begin, shard.size());
      const at::Tensor real = batch.input_on(device);
      const at::Tensor real_labels = latents.classes.conditional() ? batch.labels_on(device) : at::Tensor();
      const at::Tensor fake_labels = latents.labels(shard, step, Stream::ratio_latent);
      at::Tensor fake;
      {
        at::NoGradGuard no_grad;
        fake = generator->forward(latents.latents(shard, step, Stream::ratio_latent), fake_labels);
        if (context.data.images())
          fake = tensor::dequantise(tensor::quantise(fake));  // as the reals are: no hint beside the picture
      }
      models::key_dropout(learner.network(), derive(config.seed, Purpose::ratio_dropout), step, shard.begin);
      const at::Tensor real_logits =
          learner.network().forward(noised(real, real_noise, shard, step, Stream::instance_noise_real), real_labels);
      const at::Tensor fake_logits =
          learner.network().forward(noised(fake, fake_noise, shard, step, Stream::instance_noise_fake), fake_labels);
      const at::Tensor loss = models::logistic_loss(real_logits, fake_logits);
      return Learner::ShardLoss{loss, Learner::watch({loss, real_logits.mean(), fake_logits.mean()})};
    });
    return learner.watched();
  };
  // What a checkpoint holds is not measured again.
  if (models::is_feature_head(*start)) phase.from_scratch = [&] { measure_on_reals(*start, context, device); };
  phase.save = [&] {
    Checkpoint c;
    c.tensors["generator"] = models::state_of(*generator);
    c.tensors["ratio"] = models::state_of(*learner.averaged(make()));
    c.tensors["ratio_weights"] = models::state_of(learner.network());
    c.tensors["optimizer_ratio"] = learner.optimizer_state();
    return c;
  };
  phase.restore = [&](const Checkpoint& c, const std::string& source) {
    models::load_state(learner.network(), c.tensors.at("ratio_weights"), source + "/ratio_weights.safetensors");
    learner.load_optimizer_state(c.tensors.at("optimizer_ratio"), source + "/optimizer_ratio.safetensors");
  };
  phase.digest = [&] { return learner.digest(); };
  log::info("density ratio: {} parameters, batch {}", models::parameter_count(learner.network()), ratio.batch);
  const bool first = config.model.pretrained();
  run_phase(phase, context.checkpoints, first ? context.resume : of_later_phase(context.resume), context.log,
            context.comm);

  models::NetworkPtr fitted = learner.averaged(make());
  fitted->eval();
  return fitted;
}

}  // namespace ddls::train
