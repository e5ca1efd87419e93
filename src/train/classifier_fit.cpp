#include "train/classifier_fit.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/purpose.hpp"
#include "data/loader.hpp"
#include "dist/failure.hpp"
#include "models/classifier.hpp"
#include "models/factory.hpp"
#include "models/initialise.hpp"
#include "models/state.hpp"
#include "train/learner.hpp"
#include "train/training_key.hpp"

namespace ddls::train {

std::shared_ptr<models::Classifier> fit_classifier(const TrainContext& context, const ClassifierRole& role) {
  const config::Config& config = context.config;
  const config::ClassifierConfig& options = config.train.classifier;
  const data::Dataset& data = context.data;
  if (data.classes() == 0)
    dist::all_fail(Exit::config,
                   "no evaluate.extractor is given and there is nothing to train a classifier on: {}; name a "
                   "TorchScript extractor",
                   data.why_no_labels());
  const c10::Device device = context.comm.topology().device;
  const ShardPlan plan = plan_shards(options.batch, config.train.shards, context.comm, "train.classifier.batch");
  data::Loader loader(data, derive(config.seed, role.pass), options.batch, plan.mine,
                      data::loader_options(config.data, data::Augment{}, device));  // images as they are

  auto classifier =
      std::make_shared<models::Classifier>(sample_shape(data), config.model.classifier_widths, data.classes());
  models::initialise_uniform_fan_in(*classifier, config.seed, role.initial_key);
  classifier->to(device);
  Learner learner(classifier, options.adam, options.steps, Average{}, plan, context.comm);

  Phase phase;
  phase.name = role.name;
  phase.checkpoint_prefix = role.name;
  phase.key = classifier_key(config, data.digest());
  phase.steps = options.steps;
  phase.samples_per_step = options.batch;
  phase.log_every = config.train.log_every;
  phase.checkpoint_every = config.train.checkpoint_every;
  phase.keep_checkpoints = 1;
  phase.watched = {"loss", "accuracy"};
  phase.step = [&](int64_t step) {
    learner.update(step, 2, [&](IdRange shard) {
      const data::LoadedBatch batch = loader.batch(step * options.batch + shard.begin, shard.size());
      const at::Tensor labels = batch.labels_on(device);
      const at::Tensor logits = classifier->forward(batch.input_on(device));
      const at::Tensor loss = at::cross_entropy_loss(logits, labels);
      const at::Tensor accuracy = (logits.argmax(1) == labels).to(loss.scalar_type()).mean();
      return Learner::ShardLoss{loss, Learner::watch({loss, accuracy})};
    });
    return learner.watched();
  };
  phase.save = [&] {
    return Checkpoint{
        {{"classifier", models::state_of(*classifier)}, {"optimizer_classifier", learner.optimizer_state()}}, {}};
  };
  phase.restore = [&](const Checkpoint& c, const std::string& source) {
    models::load_state(*classifier, c.tensors.at("classifier"), source + "/classifier.safetensors");
    learner.load_optimizer_state(c.tensors.at("optimizer_classifier"), source + "/optimizer_classifier.safetensors");
  };
  phase.digest = [&] { return learner.digest(); };
  run_phase(phase, context.checkpoints, of_later_phase(context.resume), context.log, context.comm);
  return classifier;
}

void save_evaluation_classifier(const TrainContext& context, const fs::path& file) {
  const std::shared_ptr<models::Classifier> classifier = fit_classifier(context, evaluation_classifier);
  context.comm.on_root([&] {
    make_folder(file.parent_path());
    write_file_by(file, [&](const fs::path& partial) { classifier->save_torchscript(partial); });
  });
}

}  // namespace ddls::train
