#include <ATen/ATen.h>

#include "app/run.hpp"
#include "app/stopwatch.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "ddls/labels.hpp"
#include "dist/failure.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "train/gan_training.hpp"
#include "train/ratio_fit.hpp"
#include "train/ratio_refine.hpp"

namespace ddls {
namespace {

TrainedTarget freeze(const Run& run, const NetworkPtr& generator, const NetworkPtr& ratio) {
  TrainedTarget trained;
  trained.digest = digest_of(*generator) ^ (digest_of(*ratio) << 1);
  trained.target = make_target(generator, ratio, run.config.model.latent_dim, run.comm.topology().device,
                               prior_from_name(run.config.model.prior));
  label_chains(trained.target, run.config.sample.labels, run.config.model.classes, Noise{run.config.seed});
  return trained;
}

// **Collective.** How many images of the training set were passed over (data.damaged: skip): at opening, or when one of the
// ranks came to them in this start. Warned of once at the end, since the single warnings are far above by then.
void note_damaged(Run& run) {
  const LazyImages* lazy = run.train.lazy.get();
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
  const TrainContext context{run.config, run.train, run.checkpoints(),      run.resume,
                             run.log,    run.comm,  training_evaluator(run)};
  const TrainedGan gan = train_gan(context);
  NetworkPtr ratio = train.ratio.steps > 0 ? fit_ratio(context, gan.generator) : gan.discriminator;
  if (train.ratio.refine.steps > 0) ratio = refine_ratio(context, gan.generator, ratio);
  note_damaged(run);
  note_seconds(run, "train", watch.seconds());
  return freeze(run, gan.generator, ratio);
}

TrainedTarget load_target(Run& run, const std::string& checkpoint) {
  const TrainConfig& train = run.config.train;
  const char* last_phase = train.ratio.refine.steps > 0 ? "refined" : train.ratio.steps > 0 ? "ratio" : "step";
  const std::string folder = run.comm.on_root([&] {
    if (!checkpoint.empty()) return checkpoint;
    const auto newest = CheckpointStore(run.checkpoints(), last_phase, 1).newest();
    if (!newest)
      fail(Exit::missing,
           "{}: no checkpoint to sample from; run 'ddls_dist train' first, or name one with --checkpoint",
           run.checkpoints().string());
    return newest->string();
  });

  TrainedTarget trained;
  run.comm.together([&] {
    const Checkpoint c = read_checkpoint(folder);
    const SampleShape shape = sample_shape(run.train);
    const c10::Device device = run.comm.topology().device;
    if (!c.tensors.contains("ratio")) {
      const TrainedGan gan = load_gan(run.config, shape, c, folder, device);
      trained = freeze(run, gan.generator, gan.discriminator);
      return;
    }
    const NetworkPtr generator = make_network(run.config.model, Role::generator, shape, run.config.seed);
    const NetworkPtr ratio = make_network(run.config.model, Role::ratio, shape, run.config.seed);
    load_state(*generator, c.tensors.at("generator"), folder + "/generator.safetensors");
    load_state(*ratio, c.tensors.at("ratio"), folder + "/ratio.safetensors");
    generator->to(device);
    ratio->to(device);
    trained = freeze(run, generator, ratio);
  });
  run.comm.require_same(trained.digest, "the weights that are sampled from");
  log::info("sampling from {}", folder);
  return trained;
}

}  // namespace ddls
