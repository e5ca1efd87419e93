#pragma once
// Latents for training moved by DDLS under the networks as they are now (docs/algorithm.md, section 5). Chains run in
// eval mode with spectral norm fixed and batch-norm statistics measured at the start of the step; what comes out is a
// constant: no gradient flows through a chain.
#include <optional>

#include "config/config.hpp"
#include "models/network_fwd.hpp"
#include "train/latents.hpp"
#include "train/persistent_chains.hpp"

namespace ddls::train {

class LatentRefiner {
 public:
  // The networks must outlive it. `batch`: latents of one step, over all ranks. `bfloat16`: of the slopes, by autocast;
  // latents, noise and statistics stay float32.
  LatentRefiner(const config::TrainDdlsConfig& config, const LatentSource& source, models::Network& generator,
                models::Network& discriminator, int64_t batch, bool bfloat16);

  // `move` counts the moves of all updates: it keys their noise, and says which persistent chains have their turn.
  void begin(int64_t move);                             // once per update, before the shards
  LabelledLatents refine(IdRange shard, int64_t move);  // ids within the batch
  void end(dist::Communicator& comm, int64_t move);     // **Collective.** After the shards.

  tensor::NamedTensors state() const;  // empty without persistent chains
  void load(const tensor::NamedTensors& state, const std::string& source);

 private:
  config::TrainDdlsConfig config_;
  LatentSource source_;
  models::Network& generator_;
  models::Network& discriminator_;
  int64_t batch_;
  bool bfloat16_;
  std::optional<PersistentChains> chains_;
};

}  // namespace ddls::train
