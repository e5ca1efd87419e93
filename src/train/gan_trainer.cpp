#include "train/gan_trainer.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/purpose.hpp"
#include "models/batch_norm.hpp"
#include "models/dropout.hpp"
#include "models/network.hpp"
#include "models/orthogonal_penalty.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "tensor/tf32.hpp"
#include "train/autocast.hpp"
#include "train/cross_rank_sum.hpp"
#include "train/gradient_penalty.hpp"

namespace ddls::train {

GanTrainer::GanTrainer(const TrainContext& context)
    : context_(context),
      train_(context.config.train),
      device_(context.comm.topology().device),
      shape_(train::sample_shape(context.data)),
      plan_(plan_shards(train_.batch, train_.shards, context.comm, "train.batch")),
      generator_plan_(plan_shards(train_.generator_batch > 0 ? train_.generator_batch : train_.batch, train_.shards,
                                  context.comm, "train.generator_batch")),
      generator_(on_device(models::Role::generator), train_.generator, train_.steps,
                 {train_.ema_decay, train_.ema_start}, generator_plan_, context.comm),
      discriminator_(on_device(models::Role::discriminator), train_.discriminator,
                     train_.steps * train_.discriminator_steps, {}, plan_, context.comm),
      loss_(models::gan_loss(train_.loss)),
      source_(latent_source(context.config, drawn_classes(context.config.model.classes, context.data), device_)),
      loader_(context.data, derive(context.config.seed, Pass::gan), train_.batch, plan_.mine,
              data::loader_options(context.config.data, context.config.seed, device_)),
      bfloat16_(train_.precision == "bfloat16"),
      tf32_(train_.precision == "tf32") {
  if (train_.batch_norm == "global" && context.comm.ranks() > 1) {  // one rank sees the whole batch anyway
    models::synchronise_batch_norm(generator(), cross_rank_sum(context.comm));
    models::synchronise_batch_norm(discriminator(), cross_rank_sum(context.comm));
  }
  if (train_.ddls.mode != "off")
    refiner_.emplace(train_.ddls, source_, generator(), discriminator(), train_.batch, bfloat16_);
}

models::NetworkPtr GanTrainer::on_device(models::Role role) const {
  models::NetworkPtr network = models::make_network(context_.config.model, role, shape_, context_.config.seed);
  network->to(device_);
  network->train();
  return network;
}

std::optional<int64_t> GanTrainer::move_of(int64_t generator_step, int64_t update) const {
  const std::string& mode = train_.ddls.mode;
  const char* what = update < train_.discriminator_steps ? "negatives" : "generator";
  const bool refines =
      refiner_ && generator_step >= train_.ddls.from_step && (mode == what || mode == "both" || mode == "port");
  if (!refines) return std::nullopt;
  return generator_step * (train_.discriminator_steps + 1) + update;  // no two moves share noise
}

// Latents of a shard: prior draws, or those moved by DDLS.
LabelledLatents GanTrainer::draw(std::optional<int64_t> move, IdRange shard, int64_t step, Stream stream) {
  if (move) return refiner_->refine(shard, *move);
  return {source_.latents(shard, step, stream), source_.labels(shard, step, stream)};
}

// The loss of an energy model's negatives is linear, with a penalty that keeps the scores from running away: its
// gradient is that of the likelihood of p_g e^d. `port` keeps the GAN's loss, as the public port does.
at::Tensor GanTrainer::adversarial_loss(bool refined, const at::Tensor& real_logits,
                                        const at::Tensor& fake_logits) const {
  if (!refined || train_.ddls.mode == "port") return loss_.discriminator(real_logits, fake_logits);
  return fake_logits.mean() - real_logits.mean() +
         train_.ddls.penalty * (real_logits.square().mean() + fake_logits.square().mean());
}

Learner::ShardLoss GanTrainer::discriminator_loss(IdRange shard, int64_t step, std::optional<int64_t> move) {
  const bool penalised = (train_.r1_weight > 0 || train_.r2_weight > 0) && step % train_.r1_every == 0;
  const data::LoadedBatch batch = loader_.batch(step * train_.batch + shard.begin, shard.size());
  seconds_waited_ += batch.seconds_waited;
  if (loss_.generator_of_pairs != nullptr) reals_.insert_or_assign(shard.begin, batch);
  at::Tensor real = batch.input_on(device_);
  const at::Tensor real_labels = source_.classes.conditional() ? batch.labels_on(device_) : at::Tensor();
  const LabelledLatents z = draw(move, shard, step, Stream::train_latent_d);
  models::key_dropout(discriminator(), source_.noise.seed, step, shard.begin);
  at::Tensor fake, real_logits, fake_logits;
  {
    const Autocast autocast(bfloat16_, device_);
    {
      at::NoGradGuard no_grad;
      fake = generator().forward(z.latents, z.labels).to(at::kFloat);
    }
    if (penalised || context_.config.model.dropout > 0) {
      if (!penalised || train_.r2_weight == 0) fake_logits = discriminator().forward(fake, z.labels).to(at::kFloat);
      if (!penalised) real_logits = discriminator().forward(real, real_labels).to(at::kFloat);
    } else {  // one pass over both is faster; no discriminator has statistics of its batch
      const at::Tensor labels = real_labels.defined() ? at::cat({real_labels, z.labels}) : at::Tensor();
      const std::vector<at::Tensor> logits =
          discriminator().forward(at::cat({real, fake}), labels).to(at::kFloat).split(shard.size());
      real_logits = logits[0];
      fake_logits = logits[1];
    }
  }
  if (penalised) {  // second derivatives are taken in float32
    real.requires_grad_(true);
    real_logits = discriminator().forward(real, real_labels);
    if (train_.r2_weight > 0) {
      fake.requires_grad_(true);
      fake_logits = discriminator().forward(fake, z.labels);
    }
  }
  const at::Tensor adversarial = adversarial_loss(move.has_value(), real_logits, fake_logits);
  at::Tensor total = adversarial;
  const auto every = static_cast<double>(train_.r1_every);
  if (penalised && train_.r1_weight > 0)  // applied every r1_every steps, at that multiple of its weight
    total = total + r1_penalty(real, real_logits) * (train_.r1_weight * every);
  if (penalised && train_.r2_weight > 0) total = total + r1_penalty(fake, fake_logits) * (train_.r2_weight * every);
  if (train_.gp_weight > 0) {
    const at::Tensor u = source_.noise.uniform(shard, 1, step, Stream::interpolation, device_);
    const auto d = [&](const at::Tensor& x) { return discriminator().forward(x, real_labels); };
    total = total + interpolation_penalty(d, real, fake, u) * train_.gp_weight;
  }
  if (train_.orthogonal_weight > 0)
    total = total + models::orthogonal_penalty(discriminator()) * train_.orthogonal_weight;
  return {total, Learner::watch({adversarial, real_logits.mean(), fake_logits.mean()})};
}

// A loss of pairs takes the reals of the discriminator's last update.
at::Tensor GanTrainer::generator_value(const at::Tensor& fake_logits, IdRange shard) {
  if (loss_.generator_of_pairs == nullptr) return loss_.generator(fake_logits);
  at::NoGradGuard no_grad;
  const data::LoadedBatch& batch = reals_.at(shard.begin);
  const at::Tensor labels = source_.classes.conditional() ? batch.labels_on(device_) : at::Tensor();
  const Autocast autocast(bfloat16_, device_);
  const at::Tensor real_logits = discriminator().forward(batch.input_on(device_), labels).to(at::kFloat);
  at::AutoGradMode with_grad(true);
  return loss_.generator_of_pairs(real_logits, fake_logits);
}

Learner::ShardLoss GanTrainer::generator_loss(IdRange shard, int64_t step, std::optional<int64_t> move) {
  const LabelledLatents z = draw(move, shard, step, Stream::train_latent_g);
  models::key_dropout(discriminator(), derive(source_.noise.seed, Purpose::generator_step), step, shard.begin);
  at::Tensor logits;
  {
    const Autocast autocast(bfloat16_, device_);
    logits = discriminator().forward(generator().forward(z.latents, z.labels), z.labels).to(at::kFloat);
  }
  const at::Tensor value = generator_value(logits, shard);
  at::Tensor total = value;
  if (train_.orthogonal_weight > 0) total = total + models::orthogonal_penalty(generator()) * train_.orthogonal_weight;
  return {total, Learner::watch({value})};
}

void GanTrainer::discriminator_step(int64_t step, int64_t generator_step) {
  const std::optional<int64_t> move = move_of(generator_step, step - generator_step * train_.discriminator_steps);
  if (move) refiner_->begin(*move);
  discriminator_.set_trainable(true);
  models::power_iteration(discriminator());  // once per update, not per forward: the same at every rank count
  discriminator_.update(step, 3, [&](IdRange shard) { return discriminator_loss(shard, step, move); });
  if (move) refiner_->end(context_.comm, *move);
}

void GanTrainer::generator_step(int64_t step) {
  const std::optional<int64_t> move = move_of(step, train_.discriminator_steps);
  if (move) refiner_->begin(*move);
  discriminator_.set_trainable(false);
  models::power_iteration(generator());
  generator_.update(step, 1, [&](IdRange shard) { return generator_loss(shard, step, move); });
  if (move) refiner_->end(context_.comm, *move);
}

std::vector<double> GanTrainer::step(int64_t step) {
  const tensor::Tf32 tf32(tf32_);
  for (int64_t i = 0; i < train_.discriminator_steps; ++i)
    discriminator_step(step * train_.discriminator_steps + i, step);
  generator_step(step);
  // Read when all is launched: a GPU is waited for here alone.
  std::vector<double> watched = discriminator_.watched();
  watched.insert(watched.begin() + 1, generator_.watched().front());
  return watched;
}

std::vector<NamedValue> GanTrainer::details() {
  std::vector<NamedValue> values{{"gradient_norm_d", discriminator_.gradient_norm()},
                                 {"gradient_norm_g", generator_.gradient_norm()}};
  const std::vector<double> sigmas = models::spectral_norms(discriminator_.network());
  if (!sigmas.empty()) values.push_back({"spectral_norm_d", *std::max_element(sigmas.begin(), sigmas.end())});
  at::Tensor waited = at::full({1}, seconds_waited_, at::kDouble);
  context_.comm.all_reduce(waited, dist::Reduce::max);  // of the rank that waited longest
  values.push_back({"seconds_waited_for_data", waited.item<double>()});
  seconds_waited_ = 0;
  return values;
}

Checkpoint GanTrainer::checkpoint() const {
  Checkpoint c;
  c.tensors["generator"] = models::state_of(generator_.network());
  c.tensors["discriminator"] = models::state_of(discriminator_.network());
  c.tensors["optimizer_generator"] = generator_.optimizer_state();
  c.tensors["optimizer_discriminator"] = discriminator_.optimizer_state();
  if (train_.ema_decay > 0) c.tensors["ema"] = models::state_of(*averaged());
  if (refiner_ && train_.ddls.persistent) c.tensors["chains"] = refiner_->state();
  return c;
}

void GanTrainer::restore(const Checkpoint& checkpoint, const std::string& source) {
  const auto file = [&](const char* name) { return source + "/" + name + ".safetensors"; };
  const auto& tensors = checkpoint.tensors;
  models::load_state(generator(), tensors.at("generator"), file("generator"));
  models::load_state(discriminator(), tensors.at("discriminator"), file("discriminator"));
  generator_.load_optimizer_state(tensors.at("optimizer_generator"), file("optimizer_generator"));
  discriminator_.load_optimizer_state(tensors.at("optimizer_discriminator"), file("optimizer_discriminator"));
  if (refiner_ && train_.ddls.persistent) refiner_->load(tensors.at("chains"), file("chains"));
}

models::NetworkPtr GanTrainer::averaged() const { return generator_.averaged(on_device(models::Role::generator)); }

}  // namespace ddls::train
