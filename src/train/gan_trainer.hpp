#pragma once
// One step of adversarial training: discriminator updates, then a generator update, data parallel.
#include <map>
#include <optional>
#include <vector>

#include "data/loader.hpp"
#include "models/factory.hpp"
#include "models/losses.hpp"
#include "train/gan_training.hpp"
#include "train/latent_refiner.hpp"
#include "train/learner.hpp"

namespace ddls::train {

class GanTrainer {
 public:
  // **Collective.** `context` must outlive it.
  explicit GanTrainer(const TrainContext& context);

  std::vector<double> step(int64_t step);  // **collective**; the values named by `watched`
  static std::vector<std::string> watched() { return {"loss_d", "loss_g", "real_logit", "fake_logit"}; }
  // Norms of the last step's gradients, the largest spectral norm, seconds waited for data since the last call.
  // **Collective.**
  std::vector<NamedValue> details();
  uint64_t digest() const { return generator_.digest() ^ (discriminator_.digest() << 1); }

  Checkpoint checkpoint() const;
  void restore(const Checkpoint& checkpoint, const std::string& source);
  // The moving average of the generator's weights (or the weights): a network of its own, in training mode.
  models::NetworkPtr averaged() const;

  models::Network& generator() { return generator_.network(); }
  models::Network& discriminator() { return discriminator_.network(); }
  const models::SampleShape& sample_shape() const { return shape_; }
  c10::Device device() const { return device_; }
  const sampling::DrawnClasses& classes() const { return source_.classes; }

 private:
  models::NetworkPtr on_device(models::Role role) const;
  // The key of the chains' move in update `update` of a step (the last is the generator's); nothing where it takes
  // prior draws.
  std::optional<int64_t> move_of(int64_t generator_step, int64_t update) const;
  LabelledLatents draw(std::optional<int64_t> move, IdRange shard, int64_t step, Stream stream);
  at::Tensor adversarial_loss(bool refined, const at::Tensor& real_logits, const at::Tensor& fake_logits) const;
  at::Tensor generator_value(const at::Tensor& fake_logits, IdRange shard);
  Learner::ShardLoss discriminator_loss(IdRange shard, int64_t step, std::optional<int64_t> move);
  Learner::ShardLoss generator_loss(IdRange shard, int64_t step, std::optional<int64_t> move);
  void discriminator_step(int64_t step, int64_t generator_step);
  void generator_step(int64_t step);

  const TrainContext& context_;
  const config::TrainConfig& train_;
  c10::Device device_;
  models::SampleShape shape_;
  ShardPlan plan_, generator_plan_;
  Learner generator_, discriminator_;
  models::GanLoss loss_;
  LatentSource source_;
  data::Loader loader_;
  std::map<int64_t, data::LoadedBatch> reals_;  // of a loss of pairs: the last update's, by the shard's first sample
  double seconds_waited_ = 0;                   // for data, since the last record
  bool bfloat16_, tf32_;
  std::optional<LatentRefiner> refiner_;
};

}  // namespace ddls::train
