#include "ddls/method.hpp"

#include "base/error.hpp"

namespace ddls {

Chains start_chains(IdRange ids, const Target& target, const Noise& noise) {
  Chains chains;
  chains.ids = ids;
  chains.z = noise.normal(ids, target.latent_dim, 0, Stream::prior).to(target.device);
  chains.now = target.evaluate(chains.z);
  return chains;
}

Method make_method(const std::string& name, const SampleConfig& config, const Target& target, const Noise& noise) {
  if (name == "generator") return generator_method();
  if (name == "ddls") return ula(config.ddls, target, noise);
  if (name == "mala") return mala(config.mala, target, noise);
  fail(Exit::config, "sample.methods: there is no method '{}'", name);
}

}  // namespace ddls
