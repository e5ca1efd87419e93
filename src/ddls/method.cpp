#include "ddls/method.hpp"

#include "base/error.hpp"

namespace ddls {

Chains start(const Method& method, IdRange ids, const Target& target, const Noise& noise, int64_t draw) {
  Chains chains = start_chains(ids, target, noise, draw);
  if (method.start) method.start(chains, draw);
  return chains;
}

Method make_method(const std::string& name, const SampleConfig& config, const Target& target, const Noise& noise) {
  if (name == "generator") return generator_method();
  if (name == "ddls") return ula(config.ddls, target, noise);
  if (name == "mala") return mala(config.mala, target, noise);
  if (name == "hmc") return hmc(config.hmc, target, noise);
  if (name == "underdamped") return underdamped(config.underdamped, target, noise);
  fail(Exit::config, "sample.methods: there is no method '{}'", name);
}

}  // namespace ddls
