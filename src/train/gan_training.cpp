#include "train/gan_training.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "models/batch_norm.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "train/cross_rank_sum.hpp"
#include "train/gan_trainer.hpp"
#include "train/training_key.hpp"

namespace ddls::train {
namespace {

// Of a checkpoint of the last step: the generator as it is sampled from, its statistics with it.
constexpr const char* measured_generator = "measured_generator";

// Fixes the statistics of the generator's batch norms on draws that depend on the seed alone.
void measure_generator(models::Network& generator, const config::Config& config, const sampling::DrawnClasses& classes,
                       c10::Device device, const models::BatchShare& share = {}) {
  constexpr int64_t batches = 16, batch = 256;
  const LatentSource source = latent_source(config, classes, device);
  models::measure_statistics(
      generator, batches,
      [&](int64_t i) {
        const IdRange ids{i * batch, (i + 1) * batch};
        generator.forward(source.latents(ids, 0, Stream::statistics), source.labels(ids, 0, Stream::statistics));
      },
      share);
}

// A grid of the averaged generator: the same latents every time, batch statistics, classes in turn.
void picture(const TrainContext& context, GanTrainer& trainer, int64_t done) {
  const int64_t every = context.config.train.grid_every;
  if (!context.log.root() || every == 0 || done % every != 0) return;
  constexpr int64_t images = 64;
  at::NoGradGuard no_grad;
  const LatentSource source = latent_source(context.config, trainer.classes(), trainer.device());
  at::Tensor labels;
  if (source.classes.conditional()) labels = source.classes.in_turn({0, images}).to(trainer.device());
  const at::Tensor made = trainer.averaged()->forward(source.latents({0, images}, 0, Stream::prior), labels);
  if (made.dim() == 4) context.log.picture("generator", done, made, fmt::format("grids/step-{:08}.png", done));
}

// FD and IS of the generator, into the log.
void evaluate(const TrainContext& context, const models::NetworkPtr& generator, int64_t done) {
  const std::vector<NamedValue> values = context.evaluate(generator);
  context.comm.on_root([&] { context.log.record("gan_metrics", done, values); });
  std::string text;
  for (const NamedValue& value : values) text += fmt::format("  {} {:.4g}", value.name, value.value);
  log::info("gan: step {}:{}", done, text);
}

}  // namespace

models::SampleShape sample_shape(const data::Dataset& data) { return data.shape(); }

TrainedGan train_gan(const TrainContext& context) {
  GanTrainer trainer(context);
  const config::TrainConfig& train = context.config.train;
  log::info("generator {} parameters, discriminator {}; batch {}", models::parameter_count(trainer.generator()),
            models::parameter_count(trainer.discriminator()), train.batch);

  Phase phase;
  phase.name = "gan";
  phase.checkpoint_prefix = "step";
  phase.key = gan_key(context.config, context.data.digest());
  phase.steps = train.steps;
  phase.open_ended = train.generator.schedule == "constant" && train.discriminator.schedule == "constant";
  phase.followed_by = "ratio";
  phase.samples_per_step = train.batch * train.discriminator_steps;
  phase.log_every = train.log_every;
  phase.checkpoint_every = train.checkpoint_every;
  phase.keep_checkpoints = train.keep_checkpoints;
  phase.keep_every = train.keep_every;
  phase.watched = GanTrainer::watched();
  phase.step = [&](int64_t step) { return trainer.step(step); };
  phase.details = [&] { return trainer.details(); };
  // The measurement may take minutes (4096 images), so the last checkpoint keeps what came of it.
  std::optional<tensor::NamedTensors> measured;
  phase.after_step = [&](int64_t done) {
    picture(context, trainer, done);
    measured.reset();  // of a checkpoint that was the last
    const bool due = context.evaluate && train.evaluate_every > 0 && done % train.evaluate_every == 0;
    if (!due && done < train.steps) return;
    const models::NetworkPtr generator = trainer.averaged();
    measure_generator(*generator, context.config, trainer.classes(), trainer.device(),
                      {context.comm.rank(), context.comm.ranks(), cross_rank_sum(context.comm)});
    if (done == train.steps) measured = models::state_of(*generator);
    if (due) evaluate(context, generator, done);
  };
  phase.save = [&] {
    Checkpoint c = trainer.checkpoint();
    if (measured) c.tensors[measured_generator] = *measured;
    return c;
  };
  phase.restore = [&](const Checkpoint& c, const std::string& source) {
    trainer.restore(c, source);
    if (c.tensors.contains(measured_generator)) measured = c.tensors.at(measured_generator);
  };
  phase.digest = [&] { return trainer.digest(); };
  run_phase(phase, context.checkpoints, context.resume, context.log, context.comm);
  return load_gan(context.config, context.data, phase.save(), "training", trainer.device());
}

TrainedGan load_gan(const config::Config& config, const data::Dataset& data, const Checkpoint& checkpoint,
                    const std::string& source, c10::Device device) {
  TrainedGan gan;
  const models::SampleShape shape = sample_shape(data);
  gan.generator = models::make_network(config.model, models::Role::generator, shape, config.seed);
  gan.discriminator = models::make_network(config.model, models::Role::discriminator, shape, config.seed);
  const bool measured = checkpoint.tensors.contains(measured_generator);
  const std::string weights = measured ? measured_generator : checkpoint.tensors.contains("ema") ? "ema" : "generator";
  models::load_state(*gan.generator, checkpoint.tensors.at(weights), source + "/" + weights + ".safetensors");
  models::load_state(*gan.discriminator, checkpoint.tensors.at("discriminator"), source + "/discriminator.safetensors");
  gan.generator->to(device);
  gan.discriminator->to(device);
  if (!measured) measure_generator(*gan.generator, config, drawn_classes(config.model.classes, data), device);
  gan.generator->eval();
  gan.discriminator->eval();
  return gan;
}

}  // namespace ddls::train
