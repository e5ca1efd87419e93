#include "ddls/registry.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "ddls/prior_pool.hpp"

namespace ddls::sampling {

// The list: a line per sampler, methods/*.cpp end in NAME_sampler().
#define DDLS_SAMPLERS(entry)                                                                                        \
  entry(generator) entry(ddls) entry(mala) entry(hmc) entry(underdamped) entry(ex2mcmc) entry(tempering) entry(drs) \
      entry(mh_gan) entry(rep_gan) entry(dot) entry(dgflow) entry(truncation) entry(pixel_langevin) entry(pcn)      \
          entry(elliptical_slice) entry(smc) entry(rejection) entry(obrs) entry(isir) entry(flow) entry(sir)

#define DDLS_DECLARE(name) Sampler name##_sampler();
DDLS_SAMPLERS(DDLS_DECLARE)

std::span<const Sampler> samplers() {
#define DDLS_CALL(name) name##_sampler(),
  static const std::vector<Sampler> all{DDLS_SAMPLERS(DDLS_CALL)};
  return all;
}

const Sampler* find_sampler(const std::string& name, std::span<const Sampler> all) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Sampler& sampler) { return sampler.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<Rate> rates_of(std::span<const Sampler> all) {
  std::vector<Rate> rates;
  for (const Sampler& sampler : all)
    for (const Rate& rate : sampler.rates)
      if (std::none_of(rates.begin(), rates.end(), [&](const Rate& known) { return known.key == rate.key; }))
        rates.push_back(rate);
  return rates;
}

void add_samplers(config::SampleConfig& config, std::span<const Sampler> all) {
  for (const Sampler& sampler : all)
    config.samplers.push_back({sampler.name, sampler.summary, sampler.defaults, sampler.uses_ratio});
}

namespace {

const Sampler& need_sampler(const std::string& name) {
  const Sampler* sampler = find_sampler(name);
  if (sampler == nullptr) fail(Exit::config, "sample.methods: there is no method '{}'", name);
  return *sampler;
}

}  // namespace

Method make_method(const std::string& name, const config::SampleConfig& config, const Target& target,
                   const tensor::Noise& noise, const WarmUp& warm_up) {
  const Sampler& sampler = need_sampler(name);
  const config::Options& options = config.options_of(name);
  Method method = sampler.make(options, {target, noise, warm_up});
  method.name = name;
  method.exact = sampler.exact(options);
  if (!starts_from_pool(name, config) || method.population) return method;
  return started_from(prior_pool(config.start_pool, target, noise, warm_up, name.c_str()), std::move(method), target,
                      noise);
}

bool starts_from_pool(const std::string& name, const config::SampleConfig& config) {
  return config.start_pool > 0 && need_sampler(name).exact(config.options_of(name));
}

bool needs_gradient(const std::string& name, const config::SampleConfig& config) {
  return need_sampler(name).needs_gradient(config.options_of(name));
}

bool has_warm_up(const std::string& name, const config::SampleConfig& config) {
  return starts_from_pool(name, config) || need_sampler(name).has_warm_up(config.options_of(name));
}

}  // namespace ddls::sampling
