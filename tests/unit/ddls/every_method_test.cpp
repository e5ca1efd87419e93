// What must hold for every sampler of the registry, whatever its kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <map>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "ddls/registry.hpp"
#include "ddls/sampler.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls::sampling::every_method_test {
namespace {

config::SampleConfig quick(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"ddls.step_size=0.1", "underdamped.adjust=true", "record_every=3", "obrs.proposals=40"});
  return test::quick_config(more);
}

// Stiff enough that some proposals are rejected.
Target stiff() { return gaussian_target(std::vector<double>{1.0, 30.0, 5.0}); }

bool equal(const Chains& a, const Chains& b) {
  if (a.extra.size() != b.extra.size()) return false;
  for (const auto& [name, value] : a.extra)  // block_...: of all chains of a block, for the host
    if (!name.starts_with("block_") && !at::equal(value, b.extra.at(name))) return false;
  return at::equal(a.z, b.z) && at::equal(a.now.log_ratio, b.now.log_ratio) &&
         at::equal(a.now.grad_log_ratio, b.now.grad_log_ratio);
}

Chains rows(const Chains& chains, int64_t first, int64_t count) {
  Chains part = chains;
  part.z = chains.z.narrow(0, first, count);
  part.now = {chains.now.log_prior.narrow(0, first, count), chains.now.log_ratio.narrow(0, first, count),
              chains.now.grad_log_ratio.narrow(0, first, count)};
  for (auto& [name, value] : part.extra) value = value.narrow(0, first, count);
  return part;
}

TEST(EveryMethod, CachedEvaluationIsNeverStale) {
  const Target target = stiff();
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    const Method method = make_method(name, quick(), target, tensor::Noise{31});
    if (method.samples) continue;  // it does not move z
    Chains chains = start(method, {0, 200}, target, tensor::Noise{31});
    for (int64_t step = 0; step < method.steps; ++step) {
      method.advance(chains, step);
      const Evaluation again = target.evaluate(chains.z);
      ASSERT_TRUE(at::equal(chains.now.log_prior, again.log_prior)) << name << " step " << step;
      ASSERT_TRUE(at::equal(chains.now.log_ratio, again.log_ratio)) << name << " step " << step;
      ASSERT_TRUE(at::equal(chains.now.grad_log_ratio, again.grad_log_ratio)) << name << " step " << step;
    }
  }
}

struct ToldPart {
  std::vector<int64_t> done;
  int64_t of = 0;
};

// Every part rises to its own whole: what progress shows.
TEST(EveryMethod, WarmUpsAreToldAndCanBeStopped) {
  const Target target = stiff();
  config::SampleConfig from_pool = quick();
  from_pool.start_pool = 900;
  for (const config::SampleConfig& config : {quick(), from_pool})
    for (const Sampler& sampler : samplers()) {
      const std::string& name = sampler.name;
      std::map<std::string, ToldPart> told;
      const auto tell = [&](const char* part, int64_t done, int64_t of) {
        told[part].done.push_back(done);
        told[part].of = of;
      };
      make_method(name, config, target, tensor::Noise{31}, {.after_step = tell});
      EXPECT_EQ(!told.empty(), has_warm_up(name, config)) << name;
      for (const auto& [part, p] : told) {
        EXPECT_TRUE(std::is_sorted(p.done.begin(), p.done.end()) && p.done.front() > 0) << name << ", " << part;
        EXPECT_EQ(p.done.back(), p.of) << name << ", " << part;
      }
      if (told.empty()) continue;
      const auto stop = [](const char*, int64_t done, int64_t) {
        if (done >= 3) throw std::runtime_error("stop");
      };
      EXPECT_THROW(make_method(name, config, target, tensor::Noise{31}, {.after_step = stop}), std::runtime_error)
          << name;
    }
  std::vector<int64_t> drawn;  // drs: pilot draws, by the round
  make_method("drs", test::sample_config({"drs.pilots=1200"}), target, tensor::Noise{31},
              {.block_size = 500, .after_step = [&](const char*, int64_t done, int64_t) { drawn.push_back(done); }});
  EXPECT_EQ(drawn, (std::vector<int64_t>{400, 800, 1200}));
}

struct SharedWarmUp {
  std::vector<at::Tensor> ends;        // of the same chains, by the method that each rank made
  std::vector<int64_t> pilots, batch;  // evaluations of the warm-up on each rank, and the most at once
};

// Ranks as threads.
SharedWarmUp share_warm_up(const std::string& name, int ranks) {
  const auto count = static_cast<size_t>(ranks);
  SharedWarmUp shared{std::vector<at::Tensor>(count), std::vector<int64_t>(count), std::vector<int64_t>(count)};
  std::vector<at::Tensor> values(count);
  std::barrier meet(ranks);
  const auto rank = [&](size_t r) {
    const Target plain = stiff();
    Target counted = plain;
    counted.evaluate_by = [&](const at::Tensor& z, const at::Tensor& labels) {
      shared.pilots[r] += z.size(0);
      shared.batch[r] = std::max(shared.batch[r], z.size(0));
      return plain.evaluate(z, labels);
    };
    const auto sum = [&](at::Tensor& mine) {
      values[r] = mine.clone();
      meet.arrive_and_wait();
      mine.zero_();
      for (const at::Tensor& v : values) mine += v;
      meet.arrive_and_wait();
    };
    const Method method = make_method(name, quick(), counted, tensor::Noise{37},
                                      {.block_size = 12, .rank = static_cast<int>(r), .ranks = ranks, .sum = sum});
    const int64_t pilots = shared.pilots[r], batch = shared.batch[r];
    Chains chains = start(method, {0, 20}, plain, tensor::Noise{37});
    for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
    shared.pilots[r] = pilots;
    shared.batch[r] = batch;
    shared.ends[r] = chains.z;
  };
  std::vector<std::thread> threads;
  for (size_t r = 0; r < count; ++r) threads.emplace_back(rank, r);
  for (std::thread& t : threads) t.join();
  return shared;
}

TEST(EveryMethod, RanksShareAWarmUp) {
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    if (!has_warm_up(name, quick())) continue;
    const SharedWarmUp alone = share_warm_up(name, 1);
    EXPECT_LE(alone.batch[0], 12) << name;
    for (const int ranks : {2, 3, 7}) {
      const SharedWarmUp shared = share_warm_up(name, ranks);
      for (const at::Tensor& end : shared.ends) EXPECT_TRUE(at::equal(end, alone.ends[0])) << name << " x " << ranks;
      EXPECT_EQ(std::accumulate(shared.pilots.begin(), shared.pilots.end(), int64_t{0}), alone.pilots[0]) << name;
      EXPECT_LT(*std::max_element(shared.pilots.begin(), shared.pilots.end()), alone.pilots[0]) << name;
    }
  }
}

TEST(EveryMethod, ChainsDoNotDependOnTheirBlock) {
  const Target target = stiff();
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    const Method method = make_method(name, quick(), target, tensor::Noise{32});
    if (method.population) continue;  // its particles are not independent
    const auto run = [&](IdRange ids) {
      Chains chains = start(method, ids, target, tensor::Noise{32});
      for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
      return chains;
    };
    EXPECT_TRUE(equal(rows(run({0, 60}), 20, 20), run({20, 40}))) << name;
  }
}

TEST(EveryMethod, SetsTheRatesItNames) {
  const Target target = stiff();
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    const Method method = make_method(name, quick(), target, tensor::Noise{33});
    Chains chains = start(method, {0, 30}, target, tensor::Noise{33});
    if (method.steps == 0) continue;
    method.advance(chains, 0);
    EXPECT_EQ(chains.rates.size(), method.rates.size()) << name;
    for (const std::string& rate : method.rates) {
      ASSERT_TRUE(chains.rates.contains(rate)) << name;
      EXPECT_TRUE(std::any_of(sampler.rates.begin(), sampler.rates.end(), [&](const Rate& r) { return r.key == rate; }))
          << name << " does not describe its rate " << rate;
      EXPECT_EQ(chains.rates.at(rate).sizes(), (std::vector<int64_t>{30})) << name;
    }
  }
}

// What the tables of costs rest on: gradients and ratios that a step says it evaluates are those that it does.
TEST(EveryMethod, CountsItsEvaluations) {
  const Target plain = stiff();
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    int64_t gradients = 0, ratios = 0;
    Target target = plain;
    target.evaluate_by = [&](const at::Tensor& z, const at::Tensor& labels) {
      return ++gradients, plain.evaluate(z, labels);
    };
    target.log_ratio_by = [&](const at::Tensor& z, const at::Tensor& labels) {
      return ++ratios, plain.evaluate(z, labels).log_ratio;
    };
    target.score_by = [&](const at::Tensor& x, const at::Tensor& labels) {
      return ++gradients, plain.score_by(x, labels);
    };
    if (!needs_gradient(name, quick())) target = without_gradient(target);
    const Method method = make_method(name, quick(), target, tensor::Noise{35});
    Chains chains = start(method, {0, 10}, target, tensor::Noise{35});
    if (method.steps > 0) method.advance(chains, 0);  // the first candidate of drs is the start
    gradients = ratios = 0;
    for (int64_t step = 1; step < method.steps; ++step) method.advance(chains, step);
    const auto steps = static_cast<double>(std::max<int64_t>(method.steps - 1, 0));
    EXPECT_EQ(gradients, method.cost.gradients * steps) << name;
    if (method.cost.counted)  // calls of fewer and fewer chains; their own tests count them
      EXPECT_GE(ratios, 1) << name;
    else
      EXPECT_EQ(ratios, method.cost.ratios * steps) << name;
  }
}

TEST(EveryMethod, WithoutGradientNothingElseChanges) {
  Target plain = stiff();
  plain.log_ratio_by = [evaluate = plain.evaluate_by](const at::Tensor& z, const at::Tensor& labels) {
    return evaluate(z, labels).log_ratio;
  };
  const Target alone = without_gradient(plain);
  const config::SampleConfig config = quick({"ex2mcmc.mala_steps=0"});
  int64_t without = 0;
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    if (needs_gradient(name, config)) continue;
    ++without;
    const auto run = [&](const Target& target) {
      const Method method = make_method(name, config, target, tensor::Noise{36}, {.with_gradient = &plain});
      Chains chains = start(method, {0, 50}, target, tensor::Noise{36});
      for (int64_t step = 0; step < method.steps; ++step) method.advance(chains, step);
      return chains;
    };
    const Chains a = run(plain), b = run(alone);
    EXPECT_TRUE(at::equal(a.z, b.z) && at::equal(a.now.log_ratio, b.now.log_ratio)) << name;
    EXPECT_TRUE(at::equal(a.now.log_prior, b.now.log_prior)) << name;
    EXPECT_EQ(b.now.grad_log_ratio.abs().max().item<double>(), 0) << name;
  }
  EXPECT_GE(without,
            8);  // generator, ex2mcmc of global moves alone, drs, mh_gan, truncation, pcn, elliptical_slice, smc
}

// A kill after any save loses nothing that shows: results and records are the same bytes.
TEST(EveryMethod, GoesOnFromASavedState) {
  const Target target = stiff();
  const tensor::Noise noise{34};
  const Block block = BlockPlan{17, 20}.block(0);
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    const Method method = make_method(name, quick(), target, noise);
    RecordPlan plan = plan_records(quick(), method.steps);
    plan.snapshots = method.steps > 0 ? std::vector<int64_t>{0, 5, 12} : std::vector<int64_t>{};
    const BlockResult whole = *run_block(method, target, noise, block, plan);
    std::vector<tensor::NamedTensors> saved;
    run_block(method, target, noise, block, plan, {},
              {.every = 4, .save = [&](const tensor::NamedTensors& state) { saved.push_back(state); }});
    ASSERT_EQ(saved.size(), method.steps > 0 ? 2U : 0U) << name;
    for (const tensor::NamedTensors& state : saved) {
      const BlockResult again = *run_block(method, target, noise, block, plan, {}, {.resume = state});
      EXPECT_TRUE(at::equal(whole.latents, again.latents)) << name;
      EXPECT_TRUE(at::equal(whole.curves, again.curves)) << name;
      EXPECT_TRUE(at::equal(whole.snapshots, again.snapshots)) << name;
      EXPECT_TRUE(at::equal(whole.trajectory_latents, again.trajectory_latents)) << name;
      EXPECT_TRUE(at::equal(whole.traces, again.traces)) << name;
    }
  }
}

TEST(EveryMethod, LostChainsStartAnewAndAreCounted) {
  // A hole: nothing is finite beyond 3.2, where the prior hardly is.
  Target target = gaussian_target(std::vector<double>{0.2});
  const auto plain = target.evaluate_by;
  target.evaluate_by = [plain](const at::Tensor& z, const at::Tensor& labels) {
    Evaluation e = plain(z, labels);
    const at::Tensor beyond = z.abs() > 3.2;
    e.log_ratio = e.log_ratio.masked_fill(beyond.squeeze(1), NAN);
    e.grad_log_ratio = e.grad_log_ratio.masked_fill(beyond, NAN);
    return e;
  };
  const tensor::Noise noise{36};
  const Block block = BlockPlan{40, 40}.block(0);
  const config::SampleConfig config =
      quick({"underdamped.adjust=false", "underdamped.step_size=0.4", "ddls.step_size=0.5"});
  for (const Sampler& sampler : samplers()) {
    const std::string& name = sampler.name;
    const Method method = make_method(name, config, target, noise);
    // Those that reject what is not finite, and Langevin dynamics; a flow without noise may not survive the hole.
    const bool can_lose = name == "ddls" || name == "underdamped";
    if (!method.exact && !can_lose && name != "drs") continue;
    const RecordPlan plan = plan_records(config, method.steps);
    const BlockResult result = *run_block(method, target, noise, block, plan);
    EXPECT_TRUE(at::isfinite(result.latents).all().item<bool>()) << name;
    const double restarts = result.curves.select(1, -1).sum().item<double>();
    EXPECT_EQ(restarts > 0, can_lose) << name << " " << restarts;
    EXPECT_TRUE(at::equal(result.latents, run_block(method, target, noise, block, plan)->latents)) << name;
  }
}

}  // namespace
}  // namespace ddls::sampling::every_method_test
