#include "train/gan_training.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/loader.hpp"
#include "models/batch_norm.hpp"
#include "models/factory.hpp"
#include "models/losses.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"
#include "train/learner.hpp"
#include "train/training_key.hpp"

namespace ddls {
namespace {

constexpr int64_t grid_images = 64;

// (weight / 2) E |grad_x d(x)|^2 on reals (Mescheder et al. 2018, R1).
at::Tensor r1_penalty(const at::Tensor& real, const at::Tensor& real_logits, double weight) {
  const at::Tensor gradient =
      torch::autograd::grad({real_logits.sum()}, {real}, {}, /*retain_graph=*/true, /*create_graph=*/true).front();
  return gradient.square().flatten(1).sum(1).mean() * (weight / 2);
}

// Fixes the statistics of the generator's batch norms on draws that depend on the seed alone.
void measure_generator(Network& generator, const Config& config, c10::Device device) {
  constexpr int64_t batches = 16, batch = 256;
  const Noise noise{config.seed};
  measure_statistics(
      generator, [&](const at::Tensor& z) { return generator.forward(z); }, batches,
      [&](int64_t i) {
        return noise.normal({i * batch, (i + 1) * batch}, config.model.latent_dim, 0, Stream::statistics).to(device);
      });
}

struct GanTrainer {
  const TrainContext& context;
  const TrainConfig& train;
  c10::Device device;
  SampleShape shape;
  ShardPlan plan;
  Learner generator, discriminator;
  GanLoss loss;
  Noise noise;
  Loader loader;

  explicit GanTrainer(const TrainContext& c)
      : context(c),
        train(c.config.train),
        device(c.comm.topology().device),
        shape(sample_shape(c.data)),
        plan(plan_shards(train.batch, train.shards, c.comm, "train.batch")),
        generator(on_device(Role::generator), train.generator, train.steps, train.ema_decay, plan, c.comm),
        discriminator(on_device(Role::discriminator), train.discriminator, train.steps * train.discriminator_steps, 0,
                      plan, c.comm),
        loss(gan_loss(train.loss)),
        noise{c.config.seed},
        loader(c.data, c.config.seed, train.batch, plan.mine, loader_options(c.config.data, c.config.seed)) {}

  NetworkPtr on_device(Role role) const {
    NetworkPtr network = make_network(context.config.model, role, shape, context.config.seed);
    network->to(device);
    network->train();
    return network;
  }

  at::Tensor latents(IdRange shard, int64_t step, Stream stream) const {
    return noise.normal(shard, context.config.model.latent_dim, step, stream).to(device);
  }

  // `d_step` counts discriminator steps since the start.
  std::vector<double> discriminator_step(int64_t d_step) {
    const bool penalised = train.r1_weight > 0 && d_step % train.r1_every == 0;
    discriminator.set_trainable(true);
    return discriminator.update(d_step, 3, [&](IdRange shard) {
      at::Tensor real = loader.batch(d_step * train.batch + shard.begin, shard.size()).input.to(device);
      at::Tensor fake;
      {
        at::NoGradGuard no_grad;
        fake = generator.network().forward(latents(shard, d_step, Stream::train_latent_d));
      }
      if (penalised) real.requires_grad_(true);
      const at::Tensor real_logits = discriminator.network().forward(real);
      const at::Tensor fake_logits = discriminator.network().forward(fake);
      const at::Tensor adversarial = loss.discriminator(real_logits, fake_logits);
      at::Tensor total = adversarial;
      if (penalised)  // applied every r1_every steps, at that multiple of its weight
        total = total + r1_penalty(real, real_logits, train.r1_weight * static_cast<double>(train.r1_every));
      return Learner::ShardLoss{
          total, {adversarial.item<double>(), real_logits.mean().item<double>(), fake_logits.mean().item<double>()}};
    });
  }

  std::vector<double> generator_step(int64_t step) {
    discriminator.set_trainable(false);
    return generator.update(step, 1, [&](IdRange shard) {
      const at::Tensor fake = generator.network().forward(latents(shard, step, Stream::train_latent_g));
      const at::Tensor value = loss.generator(discriminator.network().forward(fake));
      return Learner::ShardLoss{value, {value.item<double>()}};
    });
  }

  std::vector<double> step(int64_t step) {
    std::vector<double> watched;
    for (int64_t i = 0; i < train.discriminator_steps; ++i)
      watched = discriminator_step(step * train.discriminator_steps + i);
    const std::vector<double> g = generator_step(step);
    watched.insert(watched.begin() + 1, g.front());
    return watched;
  }

  Checkpoint checkpoint() {
    Checkpoint c;
    c.tensors["generator"] = state_of(generator.network());
    c.tensors["discriminator"] = state_of(discriminator.network());
    c.tensors["optimizer_generator"] = generator.optimizer_state();
    c.tensors["optimizer_discriminator"] = discriminator.optimizer_state();
    if (train.ema_decay > 0) c.tensors["ema"] = state_of(*averaged());
    return c;
  }

  void restore(const Checkpoint& c, const std::string& source) {
    load_state(generator.network(), c.tensors.at("generator"), source + "/generator.safetensors");
    load_state(discriminator.network(), c.tensors.at("discriminator"), source + "/discriminator.safetensors");
    generator.load_optimizer_state(c.tensors.at("optimizer_generator"), source + "/optimizer_generator.safetensors");
    discriminator.load_optimizer_state(c.tensors.at("optimizer_discriminator"),
                                       source + "/optimizer_discriminator.safetensors");
  }

  // A generator of its own, so that nothing done to it touches training.
  NetworkPtr averaged() const {
    NetworkPtr network = on_device(Role::generator);
    generator.copy_average_to(*network);
    return network;
  }

  void picture(int64_t done) const {
    if (!context.log.root() || train.grid_every == 0 || done % train.grid_every != 0) return;
    at::NoGradGuard no_grad;
    const at::Tensor images = averaged()->forward(latents({0, grid_images}, 0, Stream::prior));  // batch statistics
    if (images.dim() == 4) context.log.picture("generator", done, images, fmt::format("grids/step-{:08}.png", done));
  }
};

}  // namespace

SampleShape sample_shape(const Dataset& data) { return data.shape(); }

TrainedGan train_gan(const TrainContext& context) {
  GanTrainer trainer(context);
  const TrainConfig& train = context.config.train;
  log::info("generator {} parameters, discriminator {}; batch {} in {} shards",
            parameter_count(trainer.generator.network()), parameter_count(trainer.discriminator.network()), train.batch,
            trainer.plan.shards);

  Phase phase;
  phase.name = "gan";
  phase.checkpoint_prefix = "step";
  phase.key = gan_key(context.config, context.data.digest());
  phase.steps = train.steps;
  phase.samples_per_step = train.batch * train.discriminator_steps;
  phase.log_every = train.log_every;
  phase.checkpoint_every = train.checkpoint_every;
  phase.keep_checkpoints = train.keep_checkpoints;
  phase.watched = {"loss_d", "loss_g", "real_logit", "fake_logit"};
  phase.step = [&](int64_t step) { return trainer.step(step); };
  phase.after_step = [&](int64_t done) { trainer.picture(done); };
  phase.save = [&] { return trainer.checkpoint(); };
  phase.restore = [&](const Checkpoint& c, const std::string& source) { trainer.restore(c, source); };
  phase.digest = [&] { return trainer.generator.digest() ^ (trainer.discriminator.digest() << 1); };
  run_phase(phase, context.checkpoints, context.resume, context.log, context.comm);

  return load_gan(context.config, trainer.shape, trainer.checkpoint(), "training", trainer.device);
}

TrainedGan load_gan(const Config& config, const SampleShape& shape, const Checkpoint& checkpoint,
                    const std::string& source, c10::Device device) {
  TrainedGan gan;
  gan.generator = make_network(config.model, Role::generator, shape, config.seed);
  gan.discriminator = make_network(config.model, Role::discriminator, shape, config.seed);
  const std::string weights = checkpoint.tensors.contains("ema") ? "ema" : "generator";
  load_state(*gan.generator, checkpoint.tensors.at(weights), source + "/" + weights + ".safetensors");
  load_state(*gan.discriminator, checkpoint.tensors.at("discriminator"), source + "/discriminator.safetensors");
  gan.generator->to(device);
  gan.discriminator->to(device);
  measure_generator(*gan.generator, config, device);
  gan.discriminator->eval();
  return gan;
}

}  // namespace ddls
