// A benchmark, run by hand: what the reducer and the channel cost the thread that launches an update, beside what
// PyTorch's eager dispatch of that update costs.
//
//   DDLS_TEST_DEVICE=gpu DDLS_FAKE_GPUS=8 mpirun -np 8 --oversubscribe build/tests/fake_cuda/launch_cost [CONFIG]
//
// Each rank has a fake GPU; the channel is the real one over the fake CUDA runtime and NCCL. Gradients have one element
// per parameter and as many buckets as the network's own, so what is timed is launches and not sums. Dispatch is timed
// on the CPU with the same layers at the least widths and a batch of 1, where kernels have next to nothing to do. Both
// are processor time of the thread (CLOCK_THREAD_CPUTIME_ID), so other ranks on the same cores do not matter.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <mpi.h>
#include <time.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cstdio>

#include "dist/communicator.hpp"
#include "dist/environment.hpp"
#include "dist/gradient_buckets.hpp"
#include "dist/gradient_reducer.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "pipeline/read_config.hpp"

namespace ddls {
namespace {

constexpr int rounds = 60, warm_up = 10;

double thread_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

template <typename Work, typename Between>
double median_cost(const Work& work, const Between& between) {
  std::vector<double> costs;
  for (int round = 0; round < warm_up + rounds; ++round) {
    const double before = thread_microseconds();
    work();
    if (round >= warm_up) costs.push_back(thread_microseconds() - before);
    between();
  }
  std::nth_element(costs.begin(), costs.begin() + costs.size() / 2, costs.end());
  return costs[costs.size() / 2];
}

// The parameters of a network with one element each.
struct Thin : torch::nn::Module {
  Thin(const models::Network& network, const c10::Device& device) {
    for (size_t i = 0; i < network.parameters().size(); ++i)
      register_parameter(fmt::format("p{}", i), at::zeros({1}, at::TensorOptions(device)));
  }
};

// One pass of the reducer as an update makes it: what begin, the launches of all buckets and finish cost.
double reducer_pass(models::Network& network, bool exact, dist::Communicator& comm) {
  const tensor::FlatParameters whole(network);
  const dist::ReducerOptions real;
  const auto buckets = static_cast<int64_t>(dist::make_buckets(whole.slices(), whole.gradients().numel(),
                                                               whole.gradients().element_size(), real.bucket_bytes,
                                                               real.first_bucket_bytes)
                                                .size());
  Thin thin(network, comm.topology().device);
  tensor::FlatParameters flat(thin);
  const int64_t bucket = static_cast<int64_t>(flat.gradients().nbytes()) / buckets;
  dist::GradientReducer reducer(flat, comm, {exact, bucket, bucket});
  const at::Tensor watched = at::zeros({4}, flat.gradients().options().dtype(at::kDouble));
  return median_cost(
      [&] {
        reducer.begin();
        reducer.add_scalars(watched);
        reducer.add_shard();
        reducer.finish(comm.ranks());
      },
      [&] { reducer.scalars(); });
}

// One sum of a global batch norm.
double one_sum(dist::Communicator& comm) {
  at::Tensor values = at::zeros({64}, at::TensorOptions(comm.topology().device));
  return median_cost([&] { comm.all_reduce(values); }, [&] { values.to(at::kCPU); });
}

struct Dispatch {
  double discriminator, generator;
};

Dispatch dispatch_of(config::ModelConfig model, const models::SampleShape& shape) {
  const int64_t width = model.attention_side > 0 ? 8 : 1;  // attention divides its channels by 8
  for (auto* widths : {&model.generator_widths, &model.discriminator_widths}) widths->assign(widths->size(), width);
  const auto generator_network = models::make_network(model, models::Role::generator, shape, 1);
  const auto discriminator_network = models::make_network(model, models::Role::discriminator, shape, 1);
  models::Network &generator = *generator_network, &discriminator = *discriminator_network;
  const at::Tensor z = at::zeros({1, model.latent_dim});
  const at::Tensor real = at::zeros({1, shape[0], shape[1], shape[2]});
  const auto step = [](const at::Tensor& loss, torch::nn::Module& of) {
    for (at::Tensor& parameter : of.parameters()) parameter.mutable_grad() = at::Tensor();
    loss.backward();
  };
  const double d = median_cost(
      [&] {
        at::Tensor fake;
        {
          const at::NoGradGuard no_grad;
          fake = generator.forward(z);
        }
        step(at::relu(1 - discriminator.forward(real)).mean() + at::relu(1 + discriminator.forward(fake)).mean(),
             discriminator);
      },
      [] {});
  const double g = median_cost([&] { step(-discriminator.forward(generator.forward(z)).mean(), generator); }, [] {});
  return {d, g};
}

int measure(dist::Environment& environment, const std::string& path) {
  const config::Config config = pipeline::read_config(path, {});
  dist::Communicator comm(MPI_COMM_WORLD, dist::find_topology(MPI_COMM_WORLD, "cuda"), 120);
  const models::SampleShape shape{3, 32, 32};
  const auto g = models::make_network(config.model, models::Role::generator, shape, 1);
  const auto d = models::make_network(config.model, models::Role::discriminator, shape, 1);
  const double overlapped = reducer_pass(*d, false, comm) * static_cast<double>(config.train.discriminator_steps) +
                            reducer_pass(*g, false, comm);
  const double exact = reducer_pass(*d, true, comm) * static_cast<double>(config.train.discriminator_steps) +
                       reducer_pass(*g, true, comm);
  const double sum = one_sum(comm);
  if (environment.rank() != 0) return 0;
  const Dispatch eager = dispatch_of(config.model, shape);
  const double update = eager.discriminator * static_cast<double>(config.train.discriminator_steps) + eager.generator;
  std::printf("an update of %s on %d ranks: dispatch %.0f us (discriminator %.0f, generator %.0f)\n",
              config.name.c_str(), comm.ranks(), update, eager.discriminator, eager.generator);
  std::printf("  reducer and channel, overlapped: %.0f us, %.1f %%\n", overlapped, 100 * overlapped / update);
  std::printf("  reducer and channel, exact:      %.0f us, %.1f %%\n", exact, 100 * exact / update);
  std::printf("  one all-reduce (a global batch norm has one forward and one backward): %.1f us\n", sum);
  return 0;
}

}  // namespace
}  // namespace ddls

int main(int argc, char** argv) {
  const std::string config = argc > 1 ? argv[1] : "configs/cifar10-sngan.yaml";
  return ddls::dist::run_job(argc, argv,
                             [&](ddls::dist::Environment& environment) { return ddls::measure(environment, config); });
}
