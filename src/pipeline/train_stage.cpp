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

namespace ddls {
namespace {

// The score as training left it.
TrainedTarget freeze(const Run& run, const NetworkPtr& generator, const NetworkPtr& ratio) {
  TrainedTarget trained;
  trained.digest = digest_of(*generator) ^ (digest_of(*ratio) << 1);
  const ModelConfig& model = run.config.model;
  const c10::Device device = run.comm.topology().device;
  const Prior prior = prior_from_name(model.prior);
  const double noise = run.config.train.ratio.output_noise;
  trained.target =
      noise > 0 ? make_noised_target(generator, ratio, model.latent_dim, sample_shape(run.train), noise, device, prior)
                : make_target(generator, ratio, model.latent_dim, device, prior, nullptr,
                              drift_type(run.config.sample.precision));
  label_chains(trained.target, run.config.sample.labels, run.classes, Noise{run.config.seed});
  return trained;
}

// The classifier for the features of a tilt, on what training sees; nothing where there are no labels.
std::function<NetworkPtr()> feature_classifier_of(Run& run) {
  if (run.train.classes() == 0 || !run.train.images()) return {};
  return [&run] {
    const NetworkPtr classifier =
        fit_classifier({run.config, run.seen, run.checkpoints(), run.resume, run.log, run.comm}, feature_classifier);
    freeze(*classifier);
    return classifier;
  };
}

// **Collective.** The folder of the calibration: whoever samples reads it from there.
std::string calibrate_networks(Run& run, const TrainedGan& gan, const NetworkPtr& ratio) {
  const TrainedTarget trained = freeze(run, gan.generator, ratio);
  const bool fitted = run.config.train.ratio.steps > 0;
  return calibrate(
      {.config = run.config,
       .held_out = run.held_out,
       .as_trained = !fitted,  // the ratio's images are as they are
       .target = trained.target,
       .score = ratio,
       .weights = trained.digest,
       .networks = {{"generator", state_of(*gan.generator)}, {fitted ? "ratio" : "discriminator", state_of(*ratio)}},
       .checkpoints = run.checkpoints(),
       .resume = run.resume,
       .classifier = feature_classifier_of(run)},
      run.comm);
}

const char* last_phase(const TrainConfig& train) {
  if (train.calibration.fitted()) return "calibrated";
  return train.ratio.refine.steps > 0 ? "refined" : train.ratio.steps > 0 ? "ratio" : "step";
}

void check_method(const std::optional<Calibration>& found, const CalibrationConfig& wanted, const std::string& folder) {
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
  const LazyImages* lazy = run.seen.lazy.get();
  const auto ids = run.comm.gather_rows(lazy ? lazy->damaged_ids() : at::empty({0}, at::kLong));
  run.comm.on_root([&] {
    const int64_t skipped = run.train.damaged + std::get<0>(at::_unique(*ids)).numel();
    if (skipped == 0) return std::string();
    log::warning("{}: {} damaged images were skipped, {} samples are left (data.damaged: skip)", run.train.name,
                 skipped, run.train.size() - (skipped - run.train.damaged));
    run.log.record("data", run.config.train.steps, {{"skipped_images", static_cast<double>(skipped)}});
    return std::string();
  });
}

}  // namespace

TrainedTarget train_stage(Run& run) {
  const Stopwatch watch;
  const TrainConfig& train = run.config.train;
  const TrainContext context{run.config, run.seen, run.checkpoints(),      run.resume,
                             run.log,    run.comm, training_evaluator(run)};
  const TrainedGan gan = train_gan(context);
  NetworkPtr ratio = train.ratio.steps > 0 ? fit_ratio(context, gan.generator) : gan.discriminator;
  if (train.ratio.refine.steps > 0) ratio = refine_ratio(context, gan.generator, ratio);
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
  const std::string folder = run.comm.on_root([&] {
    if (!checkpoint.empty()) return checkpoint;
    const auto newest = CheckpointStore(run.checkpoints(), last_phase(run.config.train), 1).newest();
    if (!newest)
      fail(Exit::missing,
           "{}: no checkpoint to sample from; run 'ddls_dist train' first, or name one with --checkpoint",
           run.checkpoints().string());
    return newest->string();
  });

  TrainedTarget trained;
  std::optional<Calibration> calibration;
  run.comm.together([&] {
    const Checkpoint c = read_checkpoint(folder);
    calibration = calibration_of(c);
    check_method(calibration, run.config.train.calibration, folder);
    const SampleShape shape = sample_shape(run.train);
    const c10::Device device = run.comm.topology().device;
    const auto network = [&](Role role, const std::string& name) {
      const NetworkPtr made = make_network(run.config.model, role, shape, run.config.seed);
      load_state(*made, c.tensors.at(name), folder + "/" + name + ".safetensors");
      made->to(device);
      return made;
    };
    const bool ratio = c.tensors.contains("ratio");
    if (!ratio && !calibration) {
      const TrainedGan gan = load_gan(run.config, run.seen, c, folder, device);
      trained = freeze(run, gan.generator, gan.discriminator);
      return;
    }
    const NetworkPtr generator = network(Role::generator, "generator");
    NetworkPtr score = ratio ? network(Role::ratio, "ratio") : network(Role::discriminator, "discriminator");
    if (run.config.train.calibration.method == "head") {
      const LastLayer head = head_of(*calibration);
      score = with_head(score, {head.weight.to(device), head.bias.to(device)});
    }
    trained = freeze(run, generator, score);
  });
  apply_calibration(run, trained, calibration);
  run.comm.require_same(trained.digest, "the weights that are sampled from");
  log::info("sampling from {}", folder);
  return trained;
}

}  // namespace ddls
