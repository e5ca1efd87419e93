#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "ddls/labels.hpp"
#include "ddls/output_noise.hpp"
#include "dist/failure.hpp"
#include "models/classifier.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/refitted_head.hpp"
#include "models/state.hpp"
#include "pipeline/stages.hpp"
#include "train/calibrate.hpp"
#include "train/classifier_fit.hpp"
#include "train/gan_training.hpp"
#include "train/ratio_fit.hpp"
#include "train/ratio_refine.hpp"

namespace ddls::pipeline {
namespace {

// The score as training left it.
TrainedTarget freeze(const Run& run, const models::NetworkPtr& generator, const models::NetworkPtr& ratio) {
  TrainedTarget trained;
  trained.digest = models::digest_of(*generator) ^ (models::digest_of(*ratio) << 1);
  const config::ModelConfig& model = run.config.model;
  const c10::Device device = run.comm.topology().device;
  const sampling::Prior prior = sampling::prior_from_name(model.prior);
  const double noise = run.config.train.ratio.output_noise;
  trained.target = noise > 0 ? sampling::make_noised_target(generator, ratio, model.latent_dim,
                                                            train::sample_shape(run.train), noise, device, prior)
                             : sampling::make_target(generator, ratio, model.latent_dim, device, prior, nullptr,
                                                     sampling::drift_type(run.config.sample.precision));
  sampling::label_chains(trained.target, run.config.sample.labels, run.classes, tensor::Noise{run.config.seed});
  return trained;
}

// The classifier for the features of a tilt, on what training sees; nothing where there are no labels.
std::function<models::NetworkPtr()> feature_classifier_of(Run& run) {
  if (run.train.classes() == 0 || !run.train.images()) return {};
  return [&run] {
    const models::NetworkPtr classifier = train::fit_classifier(
        {run.config, run.seen, run.checkpoints(), run.resume, run.log, run.comm}, train::feature_classifier);
    sampling::freeze(*classifier);
    return classifier;
  };
}

// **Collective.** The folder of the calibration: whoever samples reads it from there.
std::string calibrate_networks(Run& run, const train::TrainedGan& gan, const models::NetworkPtr& ratio) {
  const TrainedTarget trained = freeze(run, gan.generator, ratio);
  const bool fitted = run.config.train.ratio.steps > 0;
  return train::calibrate({.config = run.config,
                           .held_out = run.held_out,
                           .as_trained = !fitted,  // the ratio's images are as they are
                           .target = trained.target,
                           .score = ratio,
                           .weights = trained.digest,
                           .networks = {{"generator", models::state_of(*gan.generator)},
                                        {fitted ? "ratio" : "discriminator", models::state_of(*ratio)}},
                           .checkpoints = run.checkpoints(),
                           .resume = run.resume,
                           .classifier = feature_classifier_of(run)},
                          run.comm);
}

const char* last_phase(const config::TrainConfig& train) {
  if (train.calibration.fitted()) return "calibrated";
  return train.ratio.refine.steps > 0 ? "refined" : train.ratio.steps > 0 ? "ratio" : "step";
}

// Whether a run with a given GAN has anything to fit.
bool has_phases(const config::TrainConfig& train) { return train.ratio.steps > 0 || train.calibration.fitted(); }

void require_same_generator(const Run& run, const train::Checkpoint& checkpoint, const std::string& folder) {
  const auto found = checkpoint.tensors.find("generator");
  if (found != checkpoint.tensors.end() &&
      models::digest_of(found->second) == models::digest_of(models::state_of(*run.given->generator)))
    return;
  fail(Exit::config,
       "{}: fitted to another generator than {} (model.generator) is now; put that file back, or run 'ddls_dist train' "
       "in another folder (--out)",
       folder, run.config.model.generator);
}

void check_method(const std::optional<train::Calibration>& found, const config::CalibrationConfig& wanted,
                  const std::string& folder) {
  const std::string method = found ? found->record.value("method", "") : "none";
  if (method == (wanted.fitted() ? wanted.method : "none")) return;
  fail(Exit::config,
       "{}: its calibration is '{}', train.calibration.method is '{}'; set that, or run 'ddls_dist train' again, which "
       "goes on from what is there",
       folder, method, wanted.method);
}

// **Collective.** How many images were passed over while training (data.damaged: skip): at opening, or when one of the
// ranks came to them in this start. Warned of once at the end, since the single warnings are far above by then.
void note_damaged(Run& run) {
  const data::LazyImages* lazy = run.seen.lazy.get();
  const auto ids = run.comm.gather_rows(lazy ? lazy->damaged_ids() : at::empty({0}, at::kLong));
  run.comm.on_root([&] {
    const int64_t skipped = run.train.damaged + std::get<0>(at::_unique(*ids)).numel();
    if (skipped == 0) return;
    log::warning("{}: {} damaged images were skipped, {} samples are left (data.damaged: skip)", run.train.name,
                 skipped, run.train.size() - (skipped - run.train.damaged));
    run.log.record("data", run.config.train.steps, {{"skipped_images", static_cast<double>(skipped)}});
  });
}

}  // namespace

TrainedTarget train_stage(Run& run) {
  const Stopwatch watch;
  const config::TrainConfig& train = run.config.train;
  const train::TrainContext context{run.config, run.seen, run.checkpoints(),      run.resume,
                                    run.log,    run.comm, training_evaluator(run)};
  const train::TrainedGan gan = run.given ? *run.given : train::train_gan(context);
  models::NetworkPtr ratio = train.ratio.steps > 0 ? train::fit_ratio(context, gan.generator) : gan.discriminator;
  if (train.ratio.refine.steps > 0) ratio = train::refine_ratio(context, gan.generator, ratio);
  std::string calibrated;
  if (train.calibration.fitted()) calibrated = calibrate_networks(run, gan, ratio);
  note_damaged(run);
  note_seconds(run, "train", watch.seconds());
  if (!calibrated.empty()) return load_target(run, calibrated);
  TrainedTarget trained = freeze(run, gan.generator, ratio);
  apply_calibration(run, trained, std::nullopt);
  return trained;
}

TrainedTarget load_target(Run& run, const std::string& checkpoint) {
  if (run.given && checkpoint.empty() && !has_phases(run.config.train)) {
    TrainedTarget trained = freeze(run, run.given->generator, run.given->discriminator);
    apply_calibration(run, trained, std::nullopt);
    return trained;
  }
  const std::string folder = run.comm.on_root([&] {
    if (!checkpoint.empty()) return checkpoint;
    const auto newest = train::CheckpointStore(run.checkpoints(), last_phase(run.config.train), 1).newest();
    if (!newest)
      fail(Exit::missing,
           "{}: no checkpoint to sample from; run 'ddls_dist train' first, or name one with --checkpoint",
           run.checkpoints().string());
    return newest->string();
  });

  TrainedTarget trained;
  std::optional<train::Calibration> calibration;
  run.comm.together([&] {
    const train::Checkpoint c = train::read_checkpoint(folder);
    calibration = train::calibration_of(c);
    check_method(calibration, run.config.train.calibration, folder);
    const models::SampleShape shape = train::sample_shape(run.train);
    const c10::Device device = run.comm.topology().device;
    const auto network = [&](models::Role role, const std::string& name) {
      const models::NetworkPtr made = models::make_network(run.config.model, role, shape, run.config.seed);
      models::load_state(*made, c.tensors.at(name), folder + "/" + name + ".safetensors");
      made->to(device);
      return made;
    };
    const bool ratio = c.tensors.contains("ratio");
    if (run.given) require_same_generator(run, c, folder);
    if (!ratio && !calibration) {
      const train::TrainedGan gan = train::load_gan(run.config, run.seen, c, folder, device);
      trained = freeze(run, gan.generator, gan.discriminator);
      return;
    }
    const models::NetworkPtr generator =
        run.given ? run.given->generator : network(models::Role::generator, "generator");
    models::NetworkPtr score = ratio       ? network(models::Role::ratio, "ratio")
                               : run.given ? run.given->discriminator
                                           : network(models::Role::discriminator, "discriminator");
    if (run.config.train.calibration.method == "head") {
      const models::LastLayer head = train::head_of(*calibration);
      score = models::with_head(score, {head.weight.to(device), head.bias.to(device)});
    }
    trained = freeze(run, generator, score);
  });
  apply_calibration(run, trained, calibration);
  run.comm.require_same(trained.digest, "the weights that are sampled from");
  log::info("sampling from {}", folder);
  return trained;
}

}  // namespace ddls::pipeline
