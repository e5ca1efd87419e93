// Langevin steps of the configured GAN at initial weights, beside the matrix-product rate of the same processes.
#include <ATen/ATen.h>

#include "app/bench.hpp"
#include "app/sampler_profile.hpp"
#include "base/files.hpp"
#include "ddls/labels.hpp"
#include "ddls/method.hpp"
#include "models/batch_norm.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "train/gan_training.hpp"
#include "train/latents.hpp"

namespace ddls {
namespace {

// One float32 product of 1024 x 1024 convolution-like size per rank, in FLOP/s. A 1x1 convolution, because that goes
// through oneDNN: the wheel's own matrix product is slow on some CPUs (performance facts).
double gemm_rate(Communicator& comm, c10::Device device) {
  const at::Tensor x =
      at::ones({1, 1024, 32, 32}, at::TensorOptions().device(device)).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor w = at::ones({1024, 1024, 1, 1}, x.options()).contiguous(at::MemoryFormat::ChannelsLast);
  constexpr int products = 8;
  const auto run = [&] {
    for (int i = 0; i < products; ++i) at::conv2d(x, w);
    if (device.is_cuda()) at::zeros({1}, x.options()).item<float>();  // waits for the device
  };
  run();
  const double seconds = seconds_together(comm, run);
  return products * 2.0 * 1024 * 1024 * 1024 * comm.ranks() / seconds;
}

}  // namespace

Json bench_sampler(const Config& config, const BenchOptions& options, Communicator& comm) {
  at::NoGradGuard no_grad;
  const c10::Device device = comm.topology().device;
  const SampleShape shape = sample_shape(synthetic_data(config, 2));
  const NetworkPtr generator = make_network(config.model, Role::generator, shape, config.seed);
  const NetworkPtr discriminator = make_network(config.model, Role::discriminator, shape, config.seed);
  generator->to(device);
  discriminator->to(device);
  const Noise noise{config.seed};
  const LatentSource source = latent_source(config, device);
  measure_statistics(*generator, 4, [&](int64_t i) {
    const IdRange ids{i * 64, (i + 1) * 64};
    generator->forward(source.latents(ids, 0, Stream::statistics), source.labels(ids, 0, Stream::statistics));
  });

  std::optional<StepProfile> profile;
  if (options.profile) profile.emplace(clock_of(device));
  const at::Tensor one = source.latents({0, 1}, 0, Stream::prior), label = source.labels({0, 1}, 0, Stream::prior);
  const Prior prior = prior_from_name(config.model.prior);
  Target target =
      make_target(generator, discriminator, config.model.latent_dim, device, prior, profile ? &*profile : nullptr);
  if (profile) {
    if (!profile->watches_operations())
      target = autograd_target(generator, discriminator, device, prior, one, label, *profile);
    target = with_update_timed(std::move(target), *profile);
  }
  label_chains(target, config.sample.labels, config.model.classes, noise);
  const Method method = make_method("ddls", config.sample, target, noise);
  const int64_t batch = config.sample.block_size;
  const int64_t first = comm.rank() * batch;
  at::AutoGradMode with_grad(true);
  Chains chains = start_chains({first, first + batch}, target, noise);
  int64_t step = 0;
  const auto run = [&](int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) method.advance(chains, step++);
    chains.z.sum().item<float>();  // waits for the device
  };
  run(options.warmup);
  std::vector<double> rates, peaks;
  for (int64_t round = 0; round < options.rounds; ++round) {
    peaks.push_back(gemm_rate(comm, device));
    const double seconds = seconds_together(comm, [&] { run(options.steps); });
    rates.push_back(static_cast<double>(options.steps * batch * comm.ranks()) / seconds);
  }
  const auto flops = static_cast<double>(chain_step_flops(*generator, *discriminator, one, label));
  const Json rate = spread_of(rates), peak = spread_of(peaks);
  Json result{{"bench", "sampler"},
              {"model", config.model.architecture},
              {"batch", batch},
              {"dtype", "float32"},
              {"threads", comm.topology().threads},
              {"ranks", comm.ranks()},
              {"chain_steps_per_second", rate},
              {"flops_per_chain_step", flops},
              {"gemm_peak_flops", peak},
              {"fraction_of_peak", rate["median"].get<double>() * flops / peak["median"].get<double>()},
              {"peak_resident_mib", peak_resident_mib()}};
  if (!profile) return result;

  comm.barrier();
  for (int64_t i = 0; i < options.steps; ++i) {
    profile->begin_step();
    method.advance(chains, step++);
    profile->end_step();
  }
  result["profile"] = profile_as_json(*profile, peak["median"].get<double>() / comm.ranks());
  if (!options.trace.empty())
    comm.on_root([&] {
      write_file(options.trace, trace_of(*profile).dump() + "\n");
      return std::string();
    });
  return result;
}

}  // namespace ddls
