// Langevin steps of the configured GAN at initial weights, beside the matrix-product rate of the same processes.
#include <ATen/ATen.h>

#include <algorithm>

#include "base/output.hpp"
#include "bench/bench.hpp"
#include "bench/sampler_profile.hpp"
#include "ddls/graphed.hpp"
#include "ddls/labels.hpp"
#include "ddls/registry.hpp"
#include "models/batch_norm.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/tf32.hpp"
#include "train/gan_training.hpp"
#include "train/latents.hpp"

namespace ddls::bench {
namespace {

// Square products per rank, in FLOP/s. On a CPU of 1024 rows as a 1x1 convolution, because that goes through oneDNN:
// the wheel's own matrix product is slow on some CPUs (docs/results.md). A GPU needs more rows to be busy.
double gemm_rate(dist::Communicator& comm, c10::Device device, at::ScalarType type) {
  const int64_t n = device.is_cpu() ? 1024 : 8192;
  const at::Tensor x = at::ones({n, n}, at::TensorOptions().device(device).dtype(type));
  const at::Tensor image = x.view({1, 32, -1, n}).permute({0, 3, 1, 2});  // channels last: a pixel per row
  const at::Tensor kernel = x.view({n, n, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  constexpr int products = 8;
  const auto run = [&] {
    for (int i = 0; i < products; ++i) device.is_cpu() ? at::conv2d(image, kernel) : at::mm(x, x);
    if (!device.is_cpu()) at::zeros({1}, x.options()).item<float>();  // waits for the device
  };
  run();
  const double seconds = seconds_together(comm, run);
  const auto rows = static_cast<double>(n);
  return products * 2.0 * rows * rows * rows * comm.ranks() / seconds;
}

// One block per rank on its way.
struct RunningBlock {
  sampling::Chains chains;
  int64_t step = 0;

  void run(const sampling::Method& method, int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) method.advance(chains, step++);
    chains.z.sum().item<float>();  // waits for the device
  }
};

RunningBlock start_block(int64_t chains, const sampling::Target& target, const tensor::Noise& noise,
                         const dist::Communicator& comm) {
  const int64_t first = comm.rank() * chains;
  return {sampling::start_chains({first, first + chains}, target, noise)};
}

// Chain steps per second of all ranks. **Collective.**
double rate_of(RunningBlock& block, const sampling::Method& method, int64_t steps, dist::Communicator& comm) {
  const double seconds = seconds_together(comm, [&] { block.run(method, steps); });
  return static_cast<double>(steps * block.chains.ids.size() * comm.ranks()) / seconds;
}

// The rate at every size, smallest first so that the memory of one does not hide that of the next; and the smallest
// size that is within 2 % of the fastest: small blocks share out evenly, and a kill loses less. **Collective.**
void add_block_sizes(Json& result, std::vector<int64_t> sizes, const sampling::Method& method,
                     const sampling::Target& target, const tensor::Noise& noise, const BenchOptions& options,
                     dist::Communicator& comm) {
  constexpr double as_good = 0.98;
  std::sort(sizes.begin(), sizes.end());
  Json rows = Json::array();
  double fastest = 0;
  for (const int64_t size : sizes) {
    RunningBlock block = start_block(size, target, noise, comm);
    block.run(method, options.warmup);
    std::vector<double> rates;
    for (int64_t round = 0; round < options.rounds; ++round)
      rates.push_back(rate_of(block, method, options.steps, comm));
    const double rate = spread_of(rates)["median"];
    rows.push_back(
        {{"block_size", size}, {"chain_steps_per_second", rate}, {"peak_resident_mib", peak_resident_mib()}});
    fastest = std::max(fastest, rate);
  }
  for (const Json& row : rows)
    if (row["chain_steps_per_second"].get<double>() >= as_good * fastest) {
      result["recommended_block_size"] = row["block_size"];
      break;
    }
  result["block_sizes"] = rows;
}

struct Networks {
  models::NetworkPtr generator, discriminator;
  train::LatentSource source;
};

// At initial weights, on the device.
Networks initial_networks(const config::Config& config, c10::Device device) {
  const models::SampleShape shape = train::sample_shape(synthetic_data(config, 2));
  const Networks made{models::make_network(config.model, models::Role::generator, shape, config.seed),
                      models::make_network(config.model, models::Role::discriminator, shape, config.seed),
                      train::latent_source(config, config.model.classes, device)};
  made.generator->to(device);
  made.discriminator->to(device);
  models::measure_statistics(*made.generator, 4, [&](int64_t i) {
    const IdRange ids{i * 64, (i + 1) * 64};
    made.generator->forward(made.source.latents(ids, 0, Stream::statistics),
                            made.source.labels(ids, 0, Stream::statistics));
  });
  return made;
}

// Some more steps, watched; their trace goes into options.trace. **Collective.**
Json profiled(RunningBlock& block, const sampling::Method& method, const BenchOptions& options,
              sampling::StepProfile& profile, double peak_flops, dist::Communicator& comm) {
  comm.barrier();
  for (int64_t i = 0; i < options.steps; ++i) {
    profile.begin_step();
    method.advance(block.chains, block.step++);
    profile.end_step();
  }
  if (!options.trace.empty()) comm.on_root([&] { write_named_file(options.trace, trace_of(profile).dump() + "\n"); });
  return profile_as_json(profile, peak_flops);
}

}  // namespace

Json bench_sampler(const config::Config& config, const BenchOptions& options, dist::Communicator& comm) {
  at::NoGradGuard no_grad;
  const tensor::Tf32 tf32(config.sample.precision == "tf32");
  const c10::Device device = comm.topology().device;
  const auto [generator, discriminator, source] = initial_networks(config, device);
  const tensor::Noise noise{config.seed};
  std::optional<sampling::StepProfile> profile;
  if (options.profile) profile.emplace(clock_of(device));
  const at::Tensor one = source.latents({0, 1}, 0, Stream::prior), label = source.labels({0, 1}, 0, Stream::prior);
  const sampling::Prior prior = sampling::prior_from_name(config.model.prior);
  const at::ScalarType drift = sampling::drift_type(config.sample.precision);
  sampling::Target target = sampling::make_target(generator, discriminator, config.model.latent_dim, device, prior,
                                                  profile ? &*profile : nullptr, drift);
  if (profile) {
    if (!profile->watches_operations())
      target = autograd_target(generator, discriminator, device, prior, one, label, *profile);
    target = with_update_timed(std::move(target), *profile);
  }
  if (config.sample.cuda_graph && !profile)
    target = sampling::graphed(std::move(target));  // a graph tells nothing of its parts
  sampling::label_chains(target, config.sample.labels, config.model.classes, noise);
  const sampling::Method method = sampling::make_method("ddls", config.sample, target, noise);
  const int64_t batch = config.sample.block_size;
  at::AutoGradMode with_grad(true);
  Json sizes = Json::object();
  if (!options.block_sizes.empty()) add_block_sizes(sizes, options.block_sizes, method, target, noise, options, comm);
  RunningBlock block = start_block(batch, target, noise, comm);
  block.run(method, options.warmup);
  std::vector<double> rates, peaks;
  for (int64_t round = 0; round < options.rounds; ++round) {
    peaks.push_back(gemm_rate(comm, device, drift));
    rates.push_back(rate_of(block, method, options.steps, comm));
  }
  const auto flops = static_cast<double>(models::chain_step_flops(*generator, *discriminator, one, label));
  const Json rate = spread_of(rates), peak = spread_of(peaks);
  Json result{{"bench", "sampler"},
              {"model", config.model.architecture},
              {"batch", batch},
              {"dtype", tensor::precision_on(device, config.sample.precision)},
              {"threads", comm.topology().threads},
              {"ranks", comm.ranks()},
              {"chain_steps_per_second", rate},
              {"flops_per_chain_step", flops},
              {"gemm_peak_flops", peak},
              {"fraction_of_peak", rate["median"].get<double>() * flops / peak["median"].get<double>()},
              {"peak_resident_mib", peak_resident_mib()}};
  result.update(sizes);
  if (!profile) return result;

  result["profile"] = profiled(block, method, options, *profile, peak["median"].get<double>() / comm.ranks(), comm);
  return result;
}

}  // namespace ddls::bench
