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

// Noise on what the ratio sees: on both sides, or as the output noise of a generator, on the reals too or not.
struct InputNoise {
  double real = 0, fake = 0;

  explicit InputNoise(const config::RatioConfig& ratio)
      : fake(ratio.output_noise > 0 ? ratio.output_noise : ratio.instance_noise) {
    real = ratio.output_noise > 0 && !ratio.noise_reals ? 0 : fake;
  }
};

class RatioFit {
 public:
  RatioFit(const TrainContext& context, models::NetworkPtr generator)
      : context_(context),
        config_(context.config),
        ratio_(config_.train.ratio),
        device_(context.comm.topology().device),
        generator_(std::move(generator)),
        latents_(latent_source(config_, drawn_classes(config_.model.classes, context.data), device_)),
        shape_(sample_shape(context.data)),
        plan_(plan_shards(ratio_.batch, config_.train.shards, context.comm, "train.ratio.batch")),
        // Another order than the adversarial phase had, and images as they are.
        loader_(context.data, derive(config_.seed, Pass::ratio), ratio_.batch, plan_.mine,
                data::loader_options(config_.data, data::Augment{}, device_)),
        start_(make()),
        learner_(start_, ratio_.adam, ratio_.steps, Average{ratio_.ema_decay}, plan_, context.comm) {}

  models::NetworkPtr run() {
    log::info("density ratio: {} parameters, batch {}", models::parameter_count(learner_.network()), ratio_.batch);
    const bool first = config_.model.pretrained();
    run_phase(phase(), context_.checkpoints, first ? context_.resume : of_later_phase(context_.resume), context_.log,
              context_.comm);
    models::NetworkPtr fitted = learner_.averaged(make());
    fitted->eval();
    return fitted;
  }

 private:
  models::NetworkPtr make() const {
    models::NetworkPtr network = models::make_network(config_.model, models::Role::ratio, shape_, config_.seed);
    network->to(device_);
    return network;
  }

  at::Tensor noised(const at::Tensor& samples, double noise_std, IdRange ids, int64_t step, Stream stream) const {
    if (noise_std == 0) return samples;
    const tensor::Noise noise{config_.seed};
    const at::Tensor n = noise.normal(ids, c10::multiply_integers(shape_), step, stream, device_).view(samples.sizes());
    return samples + n * noise_std;
  }

  at::Tensor fakes(IdRange shard, int64_t step, const at::Tensor& labels) {
    at::NoGradGuard no_grad;
    const at::Tensor fake = generator_->forward(latents_.latents(shard, step, Stream::ratio_latent), labels);
    // As the reals are: no hint beside the picture.
    return context_.data.images() ? tensor::dequantise(tensor::quantise(fake)) : fake;
  }

  Learner::ShardLoss loss(IdRange shard, int64_t step) {
    const data::LoadedBatch batch = loader_.batch(step * ratio_.batch + shard.begin, shard.size());
    const at::Tensor real = batch.input_on(device_);
    const at::Tensor real_labels = latents_.classes.conditional() ? batch.labels_on(device_) : at::Tensor();
    const at::Tensor fake_labels = latents_.labels(shard, step, Stream::ratio_latent);
    const at::Tensor fake = fakes(shard, step, fake_labels);
    const InputNoise noise(ratio_);
    models::key_dropout(learner_.network(), derive(config_.seed, Purpose::ratio_dropout), step, shard.begin);
    const at::Tensor real_logits =
        learner_.network().forward(noised(real, noise.real, shard, step, Stream::instance_noise_real), real_labels);
    const at::Tensor fake_logits =
        learner_.network().forward(noised(fake, noise.fake, shard, step, Stream::instance_noise_fake), fake_labels);
    const at::Tensor value = models::logistic_loss(real_logits, fake_logits);
    return {value, Learner::watch({value, real_logits.mean(), fake_logits.mean()})};
  }

  Checkpoint checkpoint() {
    Checkpoint c;
    c.tensors["generator"] = models::state_of(*generator_);
    c.tensors["ratio"] = models::state_of(*learner_.averaged(make()));
    c.tensors["ratio_weights"] = models::state_of(learner_.network());
    c.tensors["optimizer_ratio"] = learner_.optimizer_state();
    return c;
  }

  Phase phase() {
    Phase phase;
    phase.name = "ratio";
    phase.checkpoint_prefix = "ratio";
    phase.key = fmt::format("generator: {:016x}\n{}", models::digest_of(*generator_),
                            ratio_key(config_, context_.data.digest()));
    if (const std::string extractor = models::extractor_of(*start_); !extractor.empty())
      phase.key += "extractor: " + extractor + "\n";
    phase.steps = ratio_.steps;
    phase.samples_per_step = ratio_.batch;
    phase.log_every = config_.train.log_every;
    phase.checkpoint_every = config_.train.checkpoint_every;
    phase.keep_checkpoints = 1;
    phase.watched = {"loss", "real_logit", "fake_logit"};
    phase.step = [this](int64_t step) {
      models::power_iteration(learner_.network());
      learner_.update(step, 3, [&](IdRange shard) { return loss(shard, step); });
      return learner_.watched();
    };
    // What a checkpoint holds is not measured again.
    if (models::is_feature_head(*start_)) phase.from_scratch = [this] { measure_on_reals(*start_, context_, device_); };
    phase.save = [this] { return checkpoint(); };
    phase.restore = [this](const Checkpoint& c, const std::string& source) {
      models::load_state(learner_.network(), c.tensors.at("ratio_weights"), source + "/ratio_weights.safetensors");
      learner_.load_optimizer_state(c.tensors.at("optimizer_ratio"), source + "/optimizer_ratio.safetensors");
    };
    phase.digest = [this] { return learner_.digest(); };
    return phase;
  }

  const TrainContext& context_;
  const config::Config& config_;
  const config::RatioConfig& ratio_;
  c10::Device device_;
  models::NetworkPtr generator_;
  LatentSource latents_;
  models::SampleShape shape_;
  ShardPlan plan_;
  data::Loader loader_;
  models::NetworkPtr start_;
  Learner learner_;
};

}  // namespace

models::NetworkPtr fit_ratio(const TrainContext& context, const models::NetworkPtr& generator) {
  return RatioFit(context, generator).run();
}

}  // namespace ddls::train
