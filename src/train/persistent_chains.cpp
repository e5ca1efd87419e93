#include "train/persistent_chains.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls::train {

PersistentChains::PersistentChains(int64_t count, int64_t batch, int64_t latent_dim, double refresh,
                                   const tensor::Noise& noise, c10::Device device)
    : batch_(batch),
      refresh_(refresh),
      noise_(noise),
      latents_(noise.normal({0, count}, latent_dim, 0, Stream::prior, device)),
      moved_(at::zeros({batch, latent_dim}, latents_.options())) {
  ensure(count % batch == 0, "{} chains cannot be moved in turns of {}", count, batch);
}

IdRange PersistentChains::turn(IdRange shard, int64_t step) const {
  const int64_t first = (step * batch_) % latents_.size(0);
  return {first + shard.begin, first + shard.end};
}

at::Tensor PersistentChains::take_up(IdRange chains, int64_t step) const {
  const at::Tensor anew = noise_.uniform(chains, 1, step, Stream::refresh, latents_.device()) < refresh_;
  const at::Tensor fresh = noise_.normal(chains, latents_.size(1), step + 1, Stream::prior, latents_.device());
  return at::where(anew, fresh, latents_.narrow(0, chains.begin, chains.size()));
}

void PersistentChains::put_back(IdRange chains, const at::Tensor& latents) {
  moved_.narrow(0, chains.begin % batch_, chains.size()).copy_(latents);
}

void PersistentChains::exchange(dist::Communicator& comm, int64_t step) {
  comm.all_reduce(moved_);  // each row comes from one rank, zeros from the others: the sum is exact
  latents_.narrow(0, turn({0, batch_}, step).begin, batch_).copy_(moved_);
  moved_.zero_();
}

tensor::NamedTensors PersistentChains::state() const { return {{"latents", latents_.cpu()}}; }

void PersistentChains::load(const tensor::NamedTensors& state, const std::string& source) {
  const auto found = state.find("latents");
  if (found == state.end() || found->second.sizes() != latents_.sizes())
    fail(Exit::data, "{}: not this run's chains", source);
  latents_.copy_(found->second);
}

}  // namespace ddls::train
