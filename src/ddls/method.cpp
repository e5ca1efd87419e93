#include "ddls/method.hpp"

namespace ddls::sampling {

Chains start(const Method& method, IdRange ids, const Target& target, const tensor::Noise& noise, int64_t draw) {
  Chains chains = start_chains(ids, target, noise, draw);
  if (method.start) method.start(chains, draw);
  return chains;
}

at::Tensor samples_of(const Method& method, const Chains& chains, const Target& target) {
  return method.samples ? method.samples(chains) : target.decode(chains.z, chains.labels);
}

}  // namespace ddls::sampling
