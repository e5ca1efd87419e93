#include "models/counts.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"

namespace ddls::models {
namespace {

// Runs the network once; the output is its own.
at::Tensor run_once(Network& network, const at::Tensor& one, const at::Tensor& label) {
  ensure(one.size(0) == 1, "FLOPs are counted on one sample, not {}", one.size(0));
  at::NoGradGuard no_grad;
  const bool training = network.is_training();
  network.eval();
  at::Tensor output = network.forward(one, label);
  network.train(training);
  return output;
}

int64_t flops_of_last_forward(const Network& network) {
  int64_t multiply_adds = 0;
  for (const auto& module : network.modules())
    if (const auto* layer = module->as<Layer>()) multiply_adds += layer->multiply_adds();
  return 2 * multiply_adds;
}

}  // namespace

int64_t forward_flops(Network& network, const at::Tensor& one, const at::Tensor& label) {
  run_once(network, one, label);
  return flops_of_last_forward(network);
}

int64_t chain_step_flops(Network& generator, Network& discriminator, const at::Tensor& one_latent,
                         const at::Tensor& label) {
  run_once(discriminator, run_once(generator, one_latent, label), label);
  return 2 * (flops_of_last_forward(generator) + flops_of_last_forward(discriminator));
}

}  // namespace ddls::models
