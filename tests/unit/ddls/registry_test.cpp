#include "ddls/registry.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "config/load.hpp"
#include "unit/base/expect_error.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/idle_sampler.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls::sampling::registry_test {
namespace {

config::Config defaults(std::span<const Sampler> all = samplers()) {
  config::Config config;
  add_samplers(config.sample, all);
  return config;
}

TEST(Registry, EveryEntryIsWhole) {
  std::set<std::string> names, titles;
  for (const Sampler& sampler : samplers()) {
    EXPECT_TRUE(names.insert(sampler.name).second) << sampler.name;
    EXPECT_TRUE(titles.insert(sampler.title).second) << sampler.title;
    EXPECT_FALSE(sampler.title.empty() || sampler.summary.empty()) << sampler.name;
    for (const Rate& rate : sampler.rates)
      EXPECT_FALSE(rate.key.empty() || rate.column.empty() || rate.title.empty()) << sampler.name;
    EXPECT_TRUE(sampler.defaults.check().empty()) << sampler.name;
    EXPECT_TRUE(sampler.uses_ratio || !sampler.needs_gradient(sampler.defaults)) << sampler.name;
  }
}

TEST(Registry, ARateMeansTheSameForAllWhoHaveIt) {
  for (const Sampler& sampler : samplers())
    for (const Rate& rate : sampler.rates)
      for (const Rate& known : rates_of())
        EXPECT_TRUE(known.key != rate.key || (known.title == rate.title && known.column == rate.column))
            << sampler.name << " " << rate.key;
}

TEST(Registry, OneMoreSamplerIsConfiguredLikeTheOthers) {
  const std::vector<Sampler> all = test::with_idle_sampler();
  const config::Config config =
      config::load_config("", {"sample.methods=[ddls, idle]", "sample.idle.patience=0.25"}, defaults(all));
  EXPECT_EQ(config.sample.options_of("idle").as<test::IdleOptions>().patience, 0.25);
  const std::string yaml = config::to_yaml(config);
  std::string names;
  for (const Sampler& sampler : all) names += (names.empty() ? "" : ", ") + sampler.name;
  EXPECT_NE(yaml.find(names + "\n"), std::string::npos);
  EXPECT_NE(yaml.find("  idle:  # leaves the chains where they start\n"
                      "    steps: 3  # steps that do nothing; an integer >= 0\n"
                      "    patience: 0.25  # how long it waits; a number in (0, 1)\n"),
            std::string::npos);
  EXPECT_EQ(config::to_yaml(defaults()).find("idle"), std::string::npos);
  EXPECT_ERROR(config::load_config("", {"sample.methods=[idel]", "sample.idle.step=4"}, defaults(all)), Exit::config,
               "--set sample.methods=[idel]: sample.methods[0]: expected one of: " + names +
                   ", got 'idel'; did you mean 'idle'?\n"
                   "--set sample.idle.step=4: sample.idle.step: unknown key; did you mean 'steps'?");
  EXPECT_ERROR(config::load_config("", {"sample.idle.steps=0", "sample.idle.patience=0.25"}, defaults(all)),
               Exit::config,
               "--set sample.idle.patience=0.25: sample.idle.patience: nobody waits where there are no steps");
}

TEST(Registry, OneMoreSamplerMakesChains) {
  const Sampler idle = test::idle_sampler();
  const Target target = gaussian_target(std::vector<double>{2.0});
  const tensor::Noise noise{5};
  const WarmUp alone;
  const Method method = idle.make(idle.defaults, {target, noise, alone});
  EXPECT_TRUE(at::equal(run_chains(method, target, noise, 20).z, start(method, {0, 20}, target, noise).z));
  EXPECT_FALSE(idle.needs_gradient(idle.defaults));
  EXPECT_FALSE(idle.exact(idle.defaults));
  EXPECT_EQ(rates_of(test::with_idle_sampler()).back().key, "idleness");
}

// A copy of a configuration is a value: what one of them reads does not change the other.
TEST(Registry, OptionsAreValues) {
  const config::SampleConfig a = test::sample_config();
  config::SampleConfig b = a;
  config::Section section("", "");
  b.options_of("mala").bind(section);
  std::vector<config::ConfigProblem> problems;
  config::read_override(section, "steps=7", problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(config::print_yaml(section).substr(0, 8), "steps: 7");
  const auto steps = [](config::SampleConfig config) {
    config::Section own("", "");
    config.options_of("mala").bind(own);
    return config::print_yaml(own).substr(0, 11);
  };
  EXPECT_EQ(steps(a), "steps: 1000");
  EXPECT_EQ(steps(b).substr(0, 8), "steps: 7");
  EXPECT_EQ(b.options_of("mala").defaults().none(), false);
  EXPECT_THROW(b.options_of("mala").as<test::IdleOptions>(), Error);
  EXPECT_THROW(b.options_of("malta"), Error);
}

TEST(Registry, CombinationsThatAreRefused) {
  const auto refused = [](const std::vector<std::string>& set) -> std::string {
    config::Config config = defaults();
    config.sample = test::sample_config(set);
    std::string out;
    for (const config::Conflict& c : config::check(config)) out += c.keys[0] + ": " + c.message + "\n";
    return out;
  };
  EXPECT_EQ(refused({}), "");
  EXPECT_EQ(refused({"ddls.step_size_end=0.02"}),
            "sample.ddls.step_size_end: 0.02 is more than sample.ddls.step_size (0.01); step sizes only fall\n");
  EXPECT_EQ(refused({"mala.step_sizes=[0.1, 0.01]"}), "sample.mala.adapt: one step size can be adapted, not several\n");
  EXPECT_EQ(refused({"mala.step_sizes=[]"}), "sample.mala.step_sizes: expected at least one step size\n");
  EXPECT_EQ(refused({"underdamped.adjust=true", "underdamped.splitting=baoab"}),
            "sample.underdamped.adjust: only obabo can be adjusted\n");
  EXPECT_EQ(refused({"tempering.levels=2", "tempering.smallest=0.2"}),
            "sample.tempering.smallest: two levels with prior_level are the target and the prior; a ladder needs three "
            "levels\n");
}

// A score that is no log-ratio does not matter to samplers that do not look at it.
TEST(Registry, SaysWhoNeedsTheRatio) {
  config::Config config = defaults();
  config.train.loss = "hinge";
  config.sample.methods = {"generator", "truncation"};
  EXPECT_TRUE(config::check(config).empty());
  for (const Sampler& sampler : samplers()) {
    config.sample.methods = {sampler.name};
    EXPECT_EQ(config::check(config).empty(), !sampler.uses_ratio) << sampler.name;
  }
}

TEST(ShippedConfigurations, Load) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(DDLS_TEST_DATA "/../../configs")) {
    if (entry.path().extension() != ".yaml") continue;
    // images.yaml leaves these to the user
    EXPECT_NO_THROW(config::load_config(entry.path(), {"data.train=x", "data.test=y"}, defaults())) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

TEST(Registry, EveryKeyIsDocumentedAndReadsBack) {
  const config::Config config = defaults();
  for (const config::SamplerConfig& sampler : config.sample.samplers) {
    config::Options options = sampler.options;
    config::Section section("", "");
    options.bind(section);
    for (const config::Field& field : section.fields())
      EXPECT_FALSE(field.doc.empty()) << sampler.name << "." << field.name;
    std::vector<config::ConfigProblem> problems;
    const std::string yaml = config::print_yaml(section);
    config::read_yaml(section, yaml, "config.yaml", problems);
    EXPECT_TRUE(problems.empty()) << sampler.name;
    EXPECT_EQ(config::print_yaml(section), yaml);
  }
}

}  // namespace
}  // namespace ddls::sampling::registry_test
