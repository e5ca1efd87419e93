#include "train/learner.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "dist/failure.hpp"
#include "models/network.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "train/shards.hpp"

namespace ddls::train {

ShardPlan plan_shards(int64_t batch, int64_t shards, const dist::Communicator& comm, const char* batch_key) {
  const int64_t number = shards == config::automatic_shards ? choose_shards({batch}, comm.ranks())
                         : shards > 0                       ? shards
                                                            : comm.ranks();
  ShardPlan plan{batch, number, shards != 0, {}};
  if (batch % plan.shards != 0)
    dist::all_fail(Exit::config, "{} = {} cannot be cut into {} equal shards ({}); change one of them", batch_key,
                   batch, plan.shards, plan.exact ? "train.shards" : "one per rank");
  if (plan.exact && comm.ranks() > plan.shards && comm.rank() == 0)
    log::warning("{} = {} in {} shards: only that many of the {} ranks have work in training (train.shards)", batch_key,
                 batch, plan.shards, comm.ranks());
  const int64_t size = batch / plan.shards;
  for (const Block& block : BlockPlan{batch, size}.blocks_of(comm.rank(), comm.ranks())) plan.mine.push_back(block.ids);
  return plan;
}

Learner::Learner(models::NetworkPtr network, const config::AdamConfig& config, int64_t total_steps,
                 const Average& average, const ShardPlan& plan, dist::Communicator& comm)
    : network_(std::move(network)),
      config_(config),
      total_steps_(total_steps),
      average_(average),
      plan_(plan),
      comm_(comm),
      flat_(*network_),
      adam_(config, flat_.values()) {
  comm_.broadcast(flat_.values());
  if (average_.decay > 0) ema_ = flat_.values().clone();
  reducer_ = std::make_unique<dist::GradientReducer>(flat_, comm_, dist::ReducerOptions{.exact = plan_.exact});
}

at::Tensor Learner::watch(at::TensorList scalars) {
  at::NoGradGuard no_grad;
  return at::stack(scalars).detach().to(at::kDouble);
}

void Learner::update(int64_t step, size_t watched, const std::function<ShardLoss(IdRange shard)>& shard_loss) {
  reducer_->begin();
  for (size_t i = 0; i < plan_.mine.size(); ++i) {
    const ShardLoss result = shard_loss(plan_.mine[i]);
    ensure(result.watched.numel() == static_cast<int64_t>(watched), "a shard watches {} scalars, {} were announced",
           result.watched.numel(), watched);
    reducer_->add_scalars(result.watched);
    if (!plan_.exact && i + 1 == plan_.mine.size()) reducer_->arm();
    result.loss.backward();
    reducer_->add_shard();
  }
  reducer_->finish(plan_.shards);

  if (!checked_gradients_ && !plan_.mine.empty()) {
    checked_gradients_ = true;
    const std::vector<std::string> missing = reducer_->without_gradient();
    if (!missing.empty() && comm_.root())
      log::warning("no gradient reaches {}: these parameters do not learn", fmt::join(missing, ", "));
  }

  at::NoGradGuard no_grad;
  adam_.step(flat_.values(), flat_.gradients(), tensor::learning_rate(config_, step, total_steps_));
  if (ema_.defined()) {  // a short memory at first, so that the initial weights are forgotten
    const auto averaged = static_cast<double>(step - average_.start);
    const double warm = averaged < 0 ? 0 : (averaged + 1) / (averaged + 10);
    ema_.lerp_(flat_.values(), 1 - std::min(average_.decay, warm));
  }
}

std::vector<double> Learner::watched() const {
  std::vector<double> means = reducer_->scalars();
  for (double& mean : means) mean /= static_cast<double>(plan_.shards);
  return means;
}

uint64_t Learner::digest() const {
  uint64_t digest = flat_.digest();
  for (const auto& buffer : network_->named_buffers()) {
    const at::Tensor host = buffer.value().detach().to(at::kCPU).contiguous();
    digest = hash64(buffer.key(), digest);
    digest = hash64({static_cast<const std::byte*>(host.data_ptr()), static_cast<size_t>(host.nbytes())}, digest);
  }
  return digest;
}

double Learner::gradient_norm() const { return flat_.gradients().norm().item<double>(); }

void Learner::set_trainable(bool trainable) {
  for (const tensor::ParameterSlice& slice : flat_.slices()) {
    at::Tensor parameter = slice.parameter;
    parameter.requires_grad_(trainable);
  }
}

models::NetworkPtr Learner::averaged(models::NetworkPtr fresh) const {
  models::load_state(*fresh, models::state_of(*network_), "training");
  if (!ema_.defined()) return fresh;
  at::NoGradGuard no_grad;
  const auto parameters = fresh->named_parameters();
  for (const tensor::ParameterSlice& slice : flat_.slices()) {
    at::Tensor to = parameters[slice.name];
    to.copy_(ema_.as_strided(slice.parameter.sizes(), slice.parameter.strides(), slice.offset));
  }
  models::settle_spectral_norm(*fresh, 15);  // its u and v were those of the weights
  return fresh;
}

tensor::NamedTensors Learner::optimizer_state() const {
  tensor::NamedTensors state = adam_.state();
  if (ema_.defined()) state["ema"] = ema_.cpu().clone();
  return state;
}

void Learner::load_optimizer_state(const tensor::NamedTensors& state, const std::string& source) {
  adam_.load(state, source);
  if (!ema_.defined()) return;
  const auto found = state.find("ema");
  if (found == state.end() || found->second.sizes() != ema_.sizes())
    fail(Exit::data, "{}: no moving average of this model", source);
  ema_.copy_(found->second);
}

}  // namespace ddls::train
