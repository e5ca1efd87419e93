#include "train/latent_refiner.hpp"

#include <ATen/ATen.h>

#include "base/purpose.hpp"
#include "ddls/methods/ula.hpp"
#include "models/batch_norm.hpp"
#include "models/network.hpp"
#include "train/autocast.hpp"

namespace ddls::train {
namespace {

// Both networks in eval mode for a scope; parameters keep requires_grad (the chain differentiates by z alone).
class EvalMode {
 public:
  EvalMode(models::Network& a, models::Network& b)
      : a_(a), b_(b), a_trains_(a.is_training()), b_trains_(b.is_training()) {
    a_.eval();
    b_.eval();
  }
  ~EvalMode() {
    a_.train(a_trains_);
    b_.train(b_trains_);
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  models::Network &a_, &b_;
  bool a_trains_, b_trains_;
};

}  // namespace

LatentRefiner::LatentRefiner(const config::TrainDdlsConfig& config, const LatentSource& source,
                             models::Network& generator, models::Network& discriminator, int64_t batch, bool bfloat16)
    : config_(config),
      source_(source),
      generator_(generator),
      discriminator_(discriminator),
      batch_(batch),
      bfloat16_(bfloat16) {
  source_.noise.seed = derive(source_.noise.seed, Purpose::training_chains);
  if (config.persistent)
    chains_.emplace(config.chains, batch, source.latent_dim, config.refresh, source_.noise, source.device);
}

void LatentRefiner::begin(int64_t move) {
  const EvalMode mode(generator_, discriminator_);
  models::measure_statistics(generator_, 1, [&](int64_t) {
    generator_.forward(source_.latents({0, batch_}, move, Stream::statistics),
                       source_.labels({0, batch_}, move, Stream::statistics));
  });
}

LabelledLatents LatentRefiner::refine(IdRange shard, int64_t move) {
  const EvalMode mode(generator_, discriminator_);
  // A persistent chain keeps its label: label of (chain, step 0).
  const IdRange ids = chains_ ? chains_->turn(shard, move) : shard;
  const at::Tensor labels = source_.labels(ids, chains_ ? 0 : move, Stream::prior);
  const sampling::Target target =
      sampling::make_target([&](const at::Tensor& z, const at::Tensor& y) { return generator_.forward(z, y); },
                            [&](const at::Tensor& x, const at::Tensor& y) { return discriminator_.forward(x, y); },
                            source_.latent_dim, source_.device, source_.prior);
  const sampling::UlaOptions moves{
      .steps = config_.steps, .step_size = config_.step_size, .noise_std = config_.noise_std};
  at::Tensor z = chains_ ? chains_->take_up(ids, move)
                         : source_.noise.normal(ids, source_.latent_dim, move, Stream::prior, source_.device);
  {
    const Autocast autocast(bfloat16_, source_.device);
    z = sampling::moved_by_ula(moves, target, source_.noise, ids, z, labels, move * config_.steps);
  }
  if (chains_) chains_->put_back(ids, z);
  return {sampling::latent_of(source_.prior, z), labels};
}

void LatentRefiner::end(dist::Communicator& comm, int64_t move) {
  if (chains_) chains_->exchange(comm, move);
}

tensor::NamedTensors LatentRefiner::state() const { return chains_ ? chains_->state() : tensor::NamedTensors{}; }

void LatentRefiner::load(const tensor::NamedTensors& state, const std::string& source) {
  if (chains_) chains_->load(state, source);
}

}  // namespace ddls::train
