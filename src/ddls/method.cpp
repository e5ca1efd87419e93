#include "ddls/method.hpp"

#include "base/error.hpp"

namespace ddls {

Chains start(const Method& method, IdRange ids, const Target& target, const Noise& noise, int64_t draw) {
  Chains chains = start_chains(ids, target, noise, draw);
  if (method.start) method.start(chains, draw);
  return chains;
}

at::Tensor samples_of(const Method& method, const Chains& chains, const Target& target) {
  return method.samples ? method.samples(chains) : target.decode(chains.z, chains.labels);
}

Method make_method(const std::string& name, const SampleConfig& config, const Target& target, const Noise& noise,
                   const WarmUp& warm_up) {
  if (name == "generator") return generator_method();
  if (name == "ddls") return ula(config.ddls, target, noise);
  if (name == "mala") return mala(config.mala, target, noise, warm_up);
  if (name == "hmc") return hmc(config.hmc, target, noise, warm_up);
  if (name == "underdamped") return underdamped(config.underdamped, target, noise);
  if (name == "ex2mcmc") return ex2mcmc(config.ex2mcmc, target, noise, warm_up);
  if (name == "tempering") return tempering(config.tempering, target, noise, warm_up);
  if (name == "drs") return drs(config.drs, target, noise, warm_up);
  if (name == "mh_gan") return mh_gan(config.mh_gan, target, noise);
  if (name == "rep_gan") return rep_gan(config.rep_gan, target, noise);
  if (name == "dot") return dot(config.dot, target, noise);
  if (name == "dgflow") return dgflow(config.dgflow, target, noise);
  if (name == "truncation") return truncation(config.truncation, target);
  if (name == "pixel_langevin") return pixel_langevin(config.pixel_langevin, target, noise);
  fail(Exit::config, "sample.methods: there is no method '{}'", name);
}

bool needs_gradient(const std::string& name, const SampleConfig& config) {
  const bool global_moves_alone = name == "ex2mcmc" && config.ex2mcmc.mala_steps == 0;
  return name != "generator" && name != "truncation" && name != "drs" && name != "mh_gan" && !global_moves_alone;
}

bool has_warm_up(const std::string& name, const SampleConfig& config) {
  return name == "drs" || (name == "mala" && adapts(config.mala)) || (name == "hmc" && adapts(config.hmc)) ||
         (name == "ex2mcmc" && adapts(config.ex2mcmc) && config.ex2mcmc.mala_steps > 0) ||
         (name == "tempering" && adapts(config.tempering));
}

}  // namespace ddls
