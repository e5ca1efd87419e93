#pragma once
// What samplers there are. A sampler is one file in methods/ that ends in its entry (entry.hpp), and one line in
// registry.cpp; everybody else asks here: the configuration for its section and its word, the sampling stage for the
// method, the report for titles and colours, the tests for whatever must hold for all.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "ddls/method.hpp"

namespace ddls::sampling {

// A number that a kernel's steps set (Chains::rates), as a reader meets it.
struct Rate {
  std::string key;           // in chains.jsonl and report.json
  std::string column, unit;  // of the table of samplers
  std::string title;         // of its curves
};

struct SamplerContext {
  const Target& target;
  const tensor::Noise& noise;
  const WarmUp& warm_up;
};

struct Sampler {
  std::string name;     // in sample.methods, of its section and of its folder below samples/
  std::string title;    // in tables and figures
  std::string summary;  // of its section
  int colour = 0;       // 1 to 8 of the palette; 0: any
  config::Options defaults;
  bool uses_ratio = true;  // its samples depend on the density ratio

  // As configured. Whether it uses grad r: the others are given targets `without_gradient`, and the costs that they
  // name are with these. Whether it has a warm-up (pilot.hpp). Whether its kernel samples p0 e^r without a bias of its
  // own: in the limit of many steps, whatever the step size.
  std::function<bool(const config::Options&)> needs_gradient, has_warm_up, exact;
  // A warm-up is made here: with `warm_up.sum` this is then collective, and what a rank throws is its own.
  std::function<Method(const config::Options&, const SamplerContext&)> make;
  std::vector<Rate> rates = {};  // that it sets in some configuration
};

// In the order of word lists, sections, tables and figures.
std::span<const Sampler> samplers();

// Null where there is none of that name.
const Sampler* find_sampler(const std::string& name, std::span<const Sampler> all = samplers());

// Their rates, each once.
std::vector<Rate> rates_of(std::span<const Sampler> all = samplers());

// Gives the configuration its samplers with their defaults.
void add_samplers(config::SampleConfig& config, std::span<const Sampler> all = samplers());

// What is configured. Throws Error(config) for a name that is not a sampler's. make_method: see Sampler::make.
Method make_method(const std::string& name, const config::SampleConfig& config, const Target& target,
                   const tensor::Noise& noise, const WarmUp& warm_up = {});
bool needs_gradient(const std::string& name, const config::SampleConfig& config);
// Whether its chains start at a weighted draw (sample.start_pool): those of exact kernels do.
bool starts_from_pool(const std::string& name, const config::SampleConfig& config);
bool has_warm_up(const std::string& name, const config::SampleConfig& config);

}  // namespace ddls::sampling
